/** What the server answers: see the HTTP API in docs/studio.md. */

export interface ClassName { number: number; name: string; key: string | null; removed: boolean }
export interface Preparing { stage: string; done: number; total: number; error?: string }
export interface Guess { class: number; p: number }
export interface Question { id: string; n: number; digest: string; kind: "doubt" | "first" | "exam" | "again"; guesses: Guess[]; family?: number }
export interface Changed { n: number; label: number; status: string[] }

export interface Project {
  name: string; source: string; out: string; kind: "folder" | "table" | "run" | "review"; preparing: Preparing | null; order: string | null; notes?: string[];
  photos: number; files: number; families: number; copies: number;
  unreadable: { file: string; reason: string; advice: string }[];
  classes: ClassName[]; version: string; limits: { page: number[] }; language: string | null; trained?: boolean;
}
export interface Exam { asked: number; right: number; score: number | null; low: number | null; high: number | null; planned: number }
export interface Counts { photos: number; labelled: number; unlabelled: number; excluded: number; none: number; exam: number }
export interface State {
  seq: number; model: { ready: boolean; version: number; labels: number }; counts: Counts; exam: Exam; agreement: { asked: number; same: number };
  background: { labels: number; accuracy: number | null; low: number | null; high: number | null; running: boolean } | null;
  job: null | { id: string; kind: string; stage: string; done: number; total: number; state: string; error: string | null; result: any };
  undo: boolean; redo: boolean; preparing: Preparing | null; table?: string | null;
}
export interface Answer {
  seq: number; changed: Changed[]; model: { ready: boolean; version: number }; next: Question[]; exam: Exam; counts: Counts;
  undone?: { kind: string; n: number[] } | null;
  redone?: { kind: string; n: number[] } | null;
  again?: { n: number; before: number; label: number; same: boolean };
}
export interface PagePhoto { n: number; digest: string; p: number }
export interface AlikePhoto { n: number; digest: string; similarity: number; label: number; guess: number; p: number }
export interface Details {
  n: number; file: string; files: string[]; digest: string; label: number; status: string[]; guess: number; p: number; guesses: Guess[];
  novelty: number | null; family: number[]; width: number; height: number;
}

/** A place of the page. `key` is given the keys that no control took; it returns whether it used the key. */
export interface Place { close(): void; key?(event: KeyboardEvent): boolean; keys?: [string, string][]; reset?(options: PlaceOptions): void }
export interface PlaceOptions { mode?: string; numbers?: number[]; class?: number; [name: string]: any }
export type PlaceName = "begin" | "label" | "mend" | "photos" | "quality" | "done";
export interface Finding {
  id: string; kind: string; title: string; n: number; related: number | null; reason: string; suggestion: string;
  label: number; guess: number; p: number; score?: number | null; other?: number; decision: null | "keep" | "change" | "exclude";
}
