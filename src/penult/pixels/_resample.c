/* Resize a picture and keep a crop of it, to the bit as Pillow does, and only what the crop shows.

   In: pixels (a buffer, or what Pillow's `__arrow_c_array__` gives), sizes, the crop. Out: RGB bytes in a buffer.
   It must not know recipes, files, or Pillow's own structures. It keeps to the stable ABI of Python 3.11 (setup.py asks
   for it), so that one build serves every later Python; memory is therefore the C library's, not PyMem_Raw's.

   The arithmetic: an output byte is a sum of input bytes, each times a weight of 22 binary digits behind the point, from
   a filter that is stretched by the scale; sums are rounded to bytes between the two passes and after them. Rows do not
   mix along x, nor columns along y, so a crop needs only the rows and columns that its own weights reach.

   Both passes are the same work: runs of n bytes, each run times one weight, added up. Along y the runs are rows. Along
   x sixteen rows at a time are turned, so that their bytes of one column lie side by side and are a run, too. */

#define PY_SSIZE_T_CLEAN
#include <Python.h>
#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define DIGITS 22           /* of a weight, behind the binary point */
#define TURNED 16           /* rows turned at a time */
#define LONGEST 65535       /* pixels a side, of a picture that is read and of a crop */
#define FARTHEST 1000000000 /* pixels a side of the whole resized picture, which is never made */

#if defined(__GNUC__) || defined(__clang__)
#define INLINE static inline __attribute__((always_inline))
#else
#define INLINE static
#endif

enum { DONE = 0, NO_MEMORY = -1, TOO_HEAVY = -2 };

/* ---- weights ---- */

typedef struct {
    int first, last; /* the input places that any output place reaches: first <= place < last */
    int most;        /* weights kept for each output place; at most 4 * input places + 3 * output places in all */
    int *from, *count;
    int32_t *weights;
} Reach;

INLINE double triangle(double x) {
    x = fabs(x);
    return x < 1.0 ? 1.0 - x : 0.0;
}

INLINE double cubic(double x) { /* Keys 1981, with a = -1/2; in an order of operations that rounds as Pillow's does */
    const double a = -0.5;
    x = fabs(x);
    if (x < 1.0) return ((a + 2.0) * x - (a + 3.0)) * x * x + 1;
    if (x < 2.0) return (((x - 5) * x + 8) * x - 4) * a;
    return 0.0;
}

/* Round the weights of one output place. Returns their number without zeros at the end, TOO_HEAVY if sums could overflow. */
static int fix(int32_t *weights, const double *exact, int count, double sum) {
    const double one = 1 << DIGITS;
    int64_t all = 0;
    int j;
    if (sum == 0.0) sum = 1.0;
    for (j = 0; j < count; j++) {
        const double weight = exact[j] / sum * one;
        if (!(weight > -2.0 * one && weight < 2.0 * one)) return TOO_HEAVY;
        weights[j] = (int32_t)(weight < 0 ? weight - 0.5 : weight + 0.5);
        all += weights[j] < 0 ? -weights[j] : weights[j];
    }
    if (all > (INT32_MAX - (1 << (DIGITS - 1))) / 255) return TOO_HEAVY;
    while (count > 1 && weights[count - 1] == 0) count--;
    return count;
}

/* Fill in the weights of the output places start .. start + kept, of `out` that are made from `in` places. */
static int weigh(Reach *reach, int in, int out, int start, int kept, int bicubic) {
    const double scale = (double)in / out, stretch = scale < 1.0 ? 1.0 : scale;
    const double support = (bicubic ? 2.0 : 1.0) * stretch, shrink = 1.0 / stretch;
    double *exact;
    int i, j, failed = DONE;

    reach->most = (int)ceil(support) * 2 + 1;
    reach->from = calloc(kept, 2 * sizeof(int));
    reach->weights = calloc((size_t)reach->most * kept, sizeof(int32_t));
    exact = calloc(reach->most, sizeof(double));
    if (!reach->from || !reach->weights || !exact) failed = NO_MEMORY;
    reach->count = reach->from + kept;
    reach->first = in;
    reach->last = 0;
    for (i = 0; i < kept && !failed; i++) {
        const double centre = (start + i + 0.5) * scale;
        int from = (int)(centre - support + 0.5), to = (int)(centre + support + 0.5), count;
        double sum = 0.0;
        if (from < 0) from = 0;
        if (to > in) to = in;
        for (j = 0; j < to - from; j++) {
            const double x = (j + from - centre + 0.5) * shrink;
            exact[j] = bicubic ? cubic(x) : triangle(x);
            sum += exact[j];
        }
        count = fix(reach->weights + (size_t)reach->most * i, exact, to - from, sum);
        if (count < 0) failed = count;
        reach->from[i] = from;
        reach->count[i] = count;
        if (from < reach->first) reach->first = from;
        if (from + count > reach->last) reach->last = from + count;
    }
    free(exact);
    return failed;
}

/* ---- runs times weights ---- */

/* result[0..n) = the rounded sum of `taps` runs of n bytes that begin `stride` apart, each times its weight. */
typedef void (*Blend)(uint8_t *, const uint8_t *, size_t, const int32_t *, int, size_t);

#define PLAIN(LANES)                                                                              \
    for (; at + LANES <= n; at += LANES) {                                                        \
        int32_t sums[LANES];                                                                      \
        for (lane = 0; lane < LANES; lane++) sums[lane] = 1 << (DIGITS - 1);                      \
        for (tap = 0; tap < taps; tap++)                                                          \
            for (lane = 0; lane < LANES; lane++)                                                  \
                sums[lane] += weights[tap] * source[stride * tap + at + lane];                    \
        for (lane = 0; lane < LANES; lane++) {                                                    \
            const int32_t sum = sums[lane] >> DIGITS; /* an arithmetic shift, wherever we build */ \
            result[at + lane] = (uint8_t)(sum < 0 ? 0 : sum > 255 ? 255 : sum);                   \
        }                                                                                         \
    }

static void blend_plain(uint8_t *result, const uint8_t *source, size_t stride, const int32_t *weights, int taps,
                        size_t n) {
    size_t at = 0, lane;
    int tap;
    PLAIN(TURNED)
    PLAIN(1)
}

#if defined(__x86_64__) && (defined(__GNUC__) || defined(__clang__))
#define HAS_AVX2 1
#include <immintrin.h>

#define BYTES(run) _mm256_cvtepu8_epi32(_mm_loadl_epi64((const __m128i *)(run)))
#define ADD(i) sum##i = _mm256_add_epi32(sum##i, _mm256_mullo_epi32(weight, BYTES(run + 8 * i)))
#define TWO(i, j) _mm256_packs_epi32(_mm256_srai_epi32(sum##i, DIGITS), _mm256_srai_epi32(sum##j, DIGITS))

/* The same, 48 bytes (three colours of sixteen rows) at a time in eight lanes of 32 bits. */
__attribute__((target("avx2"))) static void blend_avx2(uint8_t *result, const uint8_t *source, size_t stride,
                                                       const int32_t *weights, int taps, size_t n) {
    const __m256i half = _mm256_set1_epi32(1 << (DIGITS - 1)), order = _mm256_setr_epi32(0, 4, 1, 5, 2, 6, 3, 7);
    size_t at = 0;
    int tap;
    for (; at + 48 <= n; at += 48) {
        __m256i sum0 = half, sum1 = half, sum2 = half, sum3 = half, sum4 = half, sum5 = half, low, high;
        const uint8_t *run = source + at;
        for (tap = 0; tap < taps; tap++, run += stride) {
            const __m256i weight = _mm256_set1_epi32(weights[tap]);
            ADD(0), ADD(1), ADD(2), ADD(3), ADD(4), ADD(5);
        }
        low = _mm256_permutevar8x32_epi32(_mm256_packus_epi16(TWO(0, 1), TWO(2, 3)), order);
        high = _mm256_permutevar8x32_epi32(_mm256_packus_epi16(TWO(4, 5), TWO(4, 5)), order);
        _mm256_storeu_si256((__m256i *)(result + at), low);
        _mm_storeu_si128((__m128i *)(result + at + 32), _mm256_castsi256_si128(high));
    }
    for (; at + 16 <= n; at += 16) {
        __m256i sum0 = half, sum1 = half, both;
        const uint8_t *run = source + at;
        for (tap = 0; tap < taps; tap++, run += stride) {
            const __m256i weight = _mm256_set1_epi32(weights[tap]);
            ADD(0), ADD(1);
        }
        both = _mm256_permutevar8x32_epi32(_mm256_packus_epi16(TWO(0, 1), TWO(0, 1)), order);
        _mm_storeu_si128((__m128i *)(result + at), _mm256_castsi256_si128(both));
    }
    if (at < n) blend_plain(result + at, source + at, stride, weights, taps, n - at);
}
#endif

static Blend blend = blend_plain; /* set once, when the module is loaded */

/* ---- the passes ---- */

#if defined(__GNUC__) || defined(__clang__)
typedef uint8_t Bytes __attribute__((vector_size(TURNED)));
#ifdef __clang__
#define WOVEN(one, other, ...) __builtin_shufflevector(one, other, __VA_ARGS__)
#else
#define WOVEN(one, other, ...) __builtin_shuffle(one, other, (Bytes){__VA_ARGS__})
#endif

/* Weave row i with row i + 8; after four times, sixteen rows are sixteen columns. */
INLINE void weave(Bytes *to, const Bytes *from) {
    int i;
    for (i = 0; i < TURNED / 2; i++) {
        to[2 * i] = WOVEN(from[i], from[i + 8], 0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23);
        to[2 * i + 1] = WOVEN(from[i], from[i + 8], 8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31);
    }
}

INLINE void turn_square(uint8_t *to, size_t to_row, const uint8_t *from, size_t from_row) {
    Bytes one[TURNED], other[TURNED];
    int i;
    for (i = 0; i < TURNED; i++) memcpy(&one[i], from + from_row * i, TURNED);
    weave(other, one);
    weave(one, other);
    weave(other, one);
    weave(one, other);
    for (i = 0; i < TURNED; i++) memcpy(to + to_row * i, &one[i], TURNED);
}
#else
INLINE void turn_square(uint8_t *to, size_t to_row, const uint8_t *from, size_t from_row) {
    int i, j;
    for (i = 0; i < TURNED; i++)
        for (j = 0; j < TURNED; j++) to[to_row * i + j] = from[from_row * j + i];
}
#endif

/* Turn `rows` x `columns` bytes: to[j][i] = from[i][j]; the rows lie `from_row` and `to_row` bytes apart. */
static void turn(uint8_t *to, size_t to_row, const uint8_t *from, size_t from_row, size_t rows, size_t columns) {
    size_t i, j, k, l;
    for (i = 0; i < rows; i += TURNED)
        for (j = 0; j < columns; j += TURNED)
            if (i + TURNED <= rows && j + TURNED <= columns)
                turn_square(to + to_row * j + i, to_row, from + from_row * i + j, from_row);
            else
                for (k = i; k < rows && k < i + TURNED; k++)
                    for (l = j; l < columns && l < j + TURNED; l++) to[to_row * l + k] = from[from_row * k + l];
}

typedef struct {
    const uint8_t *bytes; /* of the first row and the first pixel that are needed */
    size_t row;           /* bytes from a row to the next */
    int step;             /* bytes from a pixel to the next */
    int bands;            /* of which so many are used */
} Plane;

/* Along x: `rows` rows of pixels, the first being number reach->first, become rows of kept * bands bytes. */
static int across(uint8_t *result, const Plane *plane, size_t rows, const Reach *reach, int kept) {
    const size_t pixel = (size_t)plane->step * TURNED, made = (size_t)plane->bands * TURNED; /* bytes when turned */
    const size_t pixels = reach->last - reach->first, width = (size_t)kept * plane->bands;
    uint8_t *turned = calloc(pixels, pixel), *blended = calloc(kept, made);
    const int failed = turned && blended ? DONE : NO_MEMORY;
    size_t top;
    int x;

    for (top = 0; top < rows && !failed; top += TURNED) {
        const size_t some = rows - top < TURNED ? rows - top : TURNED;
        turn(turned, TURNED, plane->bytes + plane->row * top, plane->row, some, pixels * plane->step);
        for (x = 0; x < kept; x++)
            blend(blended + made * x, turned + pixel * (reach->from[x] - reach->first), pixel,
                  reach->weights + (size_t)reach->most * x, reach->count[x], made);
        turn(result + width * top, width, blended, TURNED, width, some);
    }
    free(turned);
    free(blended);
    return failed;
}

/* Along y: rows of n bytes, `row` bytes apart, the first being number reach->first, become `kept` rows of n bytes. */
static void down(uint8_t *result, const uint8_t *bytes, size_t row, size_t n, const Reach *reach, int kept) {
    int y;
    for (y = 0; y < kept; y++)
        blend(result + n * y, bytes + row * (reach->from[y] - reach->first), row,
              reach->weights + (size_t)reach->most * y, reach->count[y], n);
}

typedef struct {
    int width, height; /* of the picture */
    int wide, high;    /* of the picture resized */
    int left, top;     /* of the crop in it */
    int size;          /* of the crop, both sides */
    int bicubic;       /* or bilinear */
    int down_first;    /* along y, then along x; or the other way round */
} Job;

/* Do both passes; `made` is the crop, of plane->bands bytes a pixel. */
static int resample(uint8_t *made, Plane plane, const Job *job) {
    const size_t size = job->size;
    Reach x = {0}, y = {0};
    uint8_t *between = NULL;
    int failed = weigh(&x, job->width, job->wide, job->left, job->size, job->bicubic);

    if (!failed) failed = weigh(&y, job->height, job->high, job->top, job->size, job->bicubic);
    if (!failed) {
        const size_t rows = job->down_first ? size : (size_t)(y.last - y.first);
        const size_t n = job->down_first ? (size_t)(x.last - x.first) * plane.step : size * plane.bands;
        plane.bytes += plane.row * y.first + (size_t)plane.step * x.first;
        if (!(between = calloc(rows, n))) failed = NO_MEMORY;
        else if (job->down_first) {
            down(between, plane.bytes, plane.row, n, &y, job->size);
            plane.bytes = between;
            plane.row = n;
            failed = across(made, &plane, size, &x, job->size);
        } else if (!(failed = across(between, &plane, rows, &x, job->size)))
            down(made, between, n, n, &y, job->size);
    }
    free(between);
    free(x.from);
    free(x.weights);
    free(y.from);
    free(y.weights);
    return failed;
}

/* The same for grey pictures, too, whose three colours are alike. */
static int resample_to_rgb(uint8_t *rgb, Plane plane, const Job *job) {
    const size_t n = (size_t)job->size * job->size;
    uint8_t *grey;
    size_t i;
    int failed;

    if (plane.bands == 3) return resample(rgb, plane, job);
    if (!(grey = calloc(n, 1))) return NO_MEMORY;
    failed = resample(grey, plane, job);
    for (i = 0; i < n && !failed; i++) rgb[3 * i] = rgb[3 * i + 1] = rgb[3 * i + 2] = grey[i];
    free(grey);
    return failed;
}

/* ---- Python ---- */

struct ArrowArray { /* of the Arrow C data interface */
    int64_t length, null_count, offset, n_buffers, n_children;
    const void **buffers;
    struct ArrowArray **children, *dictionary;
    void (*release)(struct ArrowArray *);
    void *private_data;
};

/* Return the bytes of `pixels` pixels of `step` bytes, from the capsule of an Arrow array, or NULL with an exception. */
static const uint8_t *shown(PyObject *capsule, int step, int64_t pixels) {
    const struct ArrowArray *array = PyCapsule_GetPointer(capsule, "arrow_array");
    if (!array) return NULL;
    if (array->release && array->offset == 0 && array->length == pixels && array->n_children == (step > 1)) {
        if (step > 1) array = array->children[0]; /* a list of fixed length for each pixel: the values are the child's */
        if (array->release && array->offset == 0 && array->length == pixels * step && array->n_children == 0 &&
            array->n_buffers == 2 && array->buffers[1])
            return array->buffers[1];
    }
    PyErr_SetString(PyExc_ValueError, "the Arrow array is not the pixels of such a picture");
    return NULL;
}

static int fits_together(const Job *job, int step, Py_ssize_t bytes) {
    return (step == 1 || step == 3 || step == 4) && job->width >= 1 && job->width <= LONGEST && job->height >= 1 &&
           job->height <= LONGEST && job->size >= 1 && job->size <= LONGEST && job->wide <= FARTHEST &&
           job->high <= FARTHEST && job->left >= 0 && job->top >= 0 && job->left <= job->wide - job->size &&
           job->top <= job->high - job->size && (int64_t)bytes == (int64_t)job->size * job->size * 3;
}

PyDoc_STRVAR(resample_doc,
             "resample(rgb, pixels, step, picture, resized, corner, size, bicubic, down_first)\n\n"
             "Fill `rgb` (size * size * 3 bytes) with a crop of `pixels` resized.\n\n"
             "`pixels`: rows of `step` bytes a pixel (1: grey; 3: RGB; 4: RGB and one unused), a buffer or the capsule\n"
             "of an Arrow array. `picture`, `resized`: (width, height). `corner`: (left, top) of the crop in the\n"
             "resized picture. `bicubic`: or bilinear. `down_first`: along y, then x; or the other way round.\n"
             "Raises ValueError for what does not fit together, and MemoryError. It runs without the GIL.");

static PyObject *py_resample(PyObject *module, PyObject *args) {
    PyObject *pixels, *result = NULL;
    Py_buffer rgb = {0}, source = {0};
    Plane plane = {0};
    Job job;
    int failed;

    (void)module;
    if (!PyArg_ParseTuple(args, "w*Oi(ii)(ii)(ii)ipp", &rgb, &pixels, &plane.step, &job.width, &job.height, &job.wide,
                          &job.high, &job.left, &job.top, &job.size, &job.bicubic, &job.down_first))
        return NULL;
    if (!fits_together(&job, plane.step, rgb.len)) {
        PyErr_SetString(PyExc_ValueError, "the sizes do not fit together");
        goto end;
    }
    plane.bands = plane.step == 1 ? 1 : 3;
    plane.row = (size_t)job.width * plane.step;
    if (PyCapsule_CheckExact(pixels)) {
        if (!(plane.bytes = shown(pixels, plane.step, (int64_t)job.width * job.height))) goto end;
    } else {
        if (PyObject_GetBuffer(pixels, &source, PyBUF_SIMPLE) < 0) goto end;
        if ((int64_t)source.len != (int64_t)job.width * job.height * plane.step) {
            PyErr_SetString(PyExc_ValueError, "the pixels are more or fewer than that");
            goto end;
        }
        plane.bytes = source.buf;
    }
    Py_BEGIN_ALLOW_THREADS
    failed = resample_to_rgb(rgb.buf, plane, &job);
    Py_END_ALLOW_THREADS
    if (failed == NO_MEMORY) PyErr_NoMemory();
    else if (failed) PyErr_SetString(PyExc_ValueError, "weights whose sums would overflow");
    else result = Py_NewRef(Py_None);
end:
    if (source.obj) PyBuffer_Release(&source);
    PyBuffer_Release(&rgb);
    return result;
}

/* Choose the fastest way that this processor has. */
static int start(PyObject *module) {
    (void)module;
#ifdef HAS_AVX2
    __builtin_cpu_init();
    if (__builtin_cpu_supports("avx2")) blend = blend_avx2;
#endif
    return 0;
}

PyDoc_STRVAR(vectors_doc, "vectors(wanted)\n\nUse vector instructions, if wanted and at hand; returns whether. For tests.");

static PyObject *py_vectors(PyObject *module, PyObject *wanted) {
    const int yes = PyObject_IsTrue(wanted);
    if (yes < 0) return NULL;
    blend = blend_plain;
    if (yes) start(module);
    return PyBool_FromLong(blend != blend_plain);
}

static PyMethodDef methods[] = {{"resample", py_resample, METH_VARARGS, resample_doc},
                                {"vectors", py_vectors, METH_O, vectors_doc},
                                {NULL, NULL, 0, NULL}};

static PyModuleDef_Slot slots[] = {{Py_mod_exec, start},
#ifdef Py_mod_gil
                                   {Py_mod_gil, Py_MOD_GIL_NOT_USED},
#endif
                                   {0, NULL}};

static struct PyModuleDef definition = {PyModuleDef_HEAD_INIT, "_resample", NULL, 0, methods, slots, NULL, NULL, NULL};

PyMODINIT_FUNC PyInit__resample(void) { return PyModuleDef_Init(&definition); }
