/* What tokens.py, concepts.py, features.py and scorer.py do in numpy, in one pass over a text and some thirty times as
 * fast. The tests hold both to the same answers. Without a compiler at installation, numpy does the work.
 *
 * The text may be hostile; nothing here depends on more of it than the last few tokens, every index into a table is
 * masked or of the table's width, and the only allocation is one record for each sixteen tokens.
 */
#define PY_SSIZE_T_CLEAN
#include <Python.h>
#include <math.h>
#include <stdint.h>
#include <string.h>

enum {
    GRAM = 4,
    STEMS = 4,
    SHORTEST = 5, /* letters of the shortest stem; the others are one longer each */
    WORD_ROWS = 4,
    MEANING_ROWS = 6,
    KEYS = 1 + STEMS + GRAM - 1,
    CONCEPTS = 128,
    WORD_BITS = 20,
    MEANING_BITS = 17,
    SLOT_BITS = 20,
    TAG_BITS = 9,
    CONCEPT_BITS = 7,
    STRIDE = 16,
    WINDOW = 32,
    CHUNK = 1 << 15, /* characters; a token does not reach across */
    LETTERS = 1 << 16,
    MANY = 32,
};
#define BUCKETS ((1 << WORD_BITS) + (1 << MEANING_BITS))
#define DAMPING 4.0

/* The random numbers of the four modules, in the order in which scorer.py joins them. */
typedef struct {
    uint64_t base;
    uint64_t grams[GRAM];
    uint64_t places[2];
    uint64_t words[WORD_ROWS];
    uint64_t meanings[MEANING_ROWS];
    uint64_t keys[KEYS];
    uint64_t concepts[CONCEPTS];
} Numbers;

typedef struct {
    PyObject_HEAD
    Py_buffer numbers, fold, alone, slots, weights;
    double scale, bias, spread, doubtful;
    int least;
} Scorer;

/* What the features of a token are made of: those before it. */
typedef struct {
    uint64_t word[GRAM];   /* hashes of the last tokens, the newest first */
    uint64_t stem[3];
    uint64_t meant[4];     /* numbers of the last concepts, and which tokens carried them */
    Py_ssize_t carrier[4];
    Py_ssize_t count, carriers;
} Past;

/* Sixteen tokens. */
typedef struct {
    Py_ssize_t start;
    int32_t sum;
} Block;

static uint64_t
mixed(uint64_t hash)
{
    return hash ^ hash >> 32;
}

static unsigned
concept_of(const uint16_t *slots, uint64_t key)
{
    uint16_t entry = slots[key >> (64 - SLOT_BITS)];
    unsigned tag = (unsigned)(key >> (64 - SLOT_BITS - TAG_BITS)) & ((1 << TAG_BITS) - 1);
    return entry && entry >> CONCEPT_BITS == tag ? entry & (CONCEPTS - 1) : 0;
}

static unsigned
meaning_bucket(uint64_t joined, uint64_t salt)
{
    uint64_t bucket = joined * salt >> (64 - MEANING_BITS);
    return bucket ? (unsigned)bucket + (1 << WORD_BITS) : 0;
}

/* What a token counts with those before it. `hashes` are of all of it and of its beginnings. */
static int
share_of(const Scorer *self, const int8_t *weights, Past *past, const uint64_t hashes[1 + STEMS])
{
    const Numbers *numbers = self->numbers.buf;
    const uint16_t *slots = self->slots.buf;
    memmove(past->word + 1, past->word, sizeof past->word - sizeof *past->word);
    memmove(past->stem + 1, past->stem, sizeof past->stem - sizeof *past->stem);
    past->word[0] = hashes[0];
    past->stem[0] = hashes[1];
    Py_ssize_t before = past->count++;

    uint64_t grams[GRAM], sum = 0;
    for (int row = 0; row < GRAM; row++) {
        sum += past->word[row] * numbers->grams[row];
        grams[row] = row <= before ? sum : 0;
    }
    uint64_t pairs[WORD_ROWS] = {
        grams[0],
        grams[1],
        before >= 1 ? past->stem[1] * numbers->places[0] + past->stem[0] : 0,
        before >= 2 ? past->stem[2] * numbers->places[1] + past->stem[0] : 0,
    };
    int share = 0;
    for (int row = 0; row < WORD_ROWS; row++)
        share += weights[pairs[row] * numbers->words[row] >> (64 - WORD_BITS)];

    unsigned concept = 0;
    for (int row = 0; row < KEYS; row++) {
        uint64_t value = row <= STEMS ? hashes[row] : grams[row - STEMS];
        unsigned found = concept_of(slots, value * numbers->keys[row]);
        if (found)
            concept = found; /* phrases come last and count */
    }
    if (!concept)
        return share + MEANING_ROWS * weights[0];

    memmove(past->meant + 1, past->meant, sizeof past->meant - sizeof *past->meant);
    memmove(past->carrier + 1, past->carrier, sizeof past->carrier - sizeof *past->carrier);
    past->meant[0] = numbers->concepts[concept];
    past->carrier[0] = before;
    Py_ssize_t earlier = past->carriers++;
    static const int reach[4] = {0, 6, 10, 10};
    int near[4];
    for (int back = 1; back < 4; back++)
        near[back] = earlier >= back && before - past->carrier[back] <= reach[back];
    const uint64_t *meant = past->meant;
    uint64_t joined[MEANING_ROWS] = {
        meant[0],
        near[1] ? 3 * meant[0] + meant[1] : 0,
        near[1] ? meant[0] + meant[1] : 0,
        near[2] ? meant[0] + meant[1] + meant[2] : 0,
        near[2] ? meant[0] + meant[2] : 0,
        near[3] ? meant[0] + meant[1] + meant[2] + meant[3] : 0,
    };
    for (int row = 0; row < MEANING_ROWS; row++)
        share += weights[meaning_bucket(joined[row], numbers->meanings[row])];
    return share;
}

/* Fills `blocks` and returns how many tokens there are. */
static Py_ssize_t
scan(const Scorer *self, const int8_t *weights, int kind, const void *data, Py_ssize_t length, Block *blocks)
{
    const uint16_t *fold = self->fold.buf;
    const uint8_t *alone = self->alone.buf;
    uint64_t base = ((const Numbers *)self->numbers.buf)->base;
    Past past = {0};
    Py_ssize_t at = 0;
    while (at < length) {
        uint64_t hash = 0, power = base, hashes[1 + STEMS];
        Py_ssize_t start = at, end = (at / CHUNK + 1) * CHUNK;
        if (end > length)
            end = length;
        int letters = 0;
        for (; at < end; at++) {
            Py_UCS4 code = PyUnicode_READ(kind, data, at);
            if (code >= LETTERS)
                code = LETTERS - 1;
            uint64_t folded = fold[code];
            if (!folded || (alone[code] && letters))
                break;
            hash += folded * power;
            power *= base;
            letters++;
            if (letters >= SHORTEST && letters < SHORTEST + STEMS)
                hashes[1 + letters - SHORTEST] = mixed(hash);
            if (alone[code]) {
                at++;
                break;
            }
        }
        if (!letters) {
            at++;
            continue;
        }
        hashes[0] = mixed(hash);
        for (int stem = letters < SHORTEST ? 0 : letters - SHORTEST + 1; stem < STEMS; stem++)
            hashes[1 + stem] = hashes[0];
        Block *block = blocks + past.count / STRIDE;
        if (past.count % STRIDE == 0) {
            block->start = start;
            block->sum = 0;
        }
        int share = share_of(self, weights, &past, hashes);
        block->sum += share > self->least ? share : self->least;
    }
    return past.count;
}

/* The characters of a window. */
static Py_ssize_t
window_end(const Block *blocks, Py_ssize_t window, Py_ssize_t count, Py_ssize_t length)
{
    Py_ssize_t end = window * STRIDE + WINDOW;
    return end < count ? blocks[window + WINDOW / STRIDE].start : length;
}

static double
window_logit(const Scorer *self, const Block *blocks, Py_ssize_t window, Py_ssize_t count, double bias)
{
    Py_ssize_t first = window * STRIDE, tokens = count - first < WINDOW ? count - first : WINDOW;
    int64_t sum = blocks[window].sum;
    if (tokens > STRIDE)
        sum += blocks[window + 1].sum;
    return (double)sum * (self->scale / sqrt((double)tokens + DAMPING)) + bias;
}

PyDoc_STRVAR(locate_doc,
"locate(text, tool)\n--\n\n"
"(log-odds, start, end, doubtful places) of the most suspicious window; None for a text without words.");

static PyObject *
Scorer_locate(Scorer *self, PyObject *const *args, Py_ssize_t given)
{
    if (given != 2 || !PyUnicode_Check(args[0])) {
        PyErr_SetString(PyExc_TypeError, "locate(text: str, tool: bool)");
        return NULL;
    }
    int tool = PyObject_IsTrue(args[1]);
    if (tool < 0)
        return NULL;
    Py_ssize_t length = PyUnicode_GET_LENGTH(args[0]);
    Block *blocks = PyMem_RawMalloc((size_t)(length / STRIDE + 2) * sizeof *blocks);
    if (blocks == NULL)
        return PyErr_NoMemory();

    const int8_t *weights = (const int8_t *)self->weights.buf + (tool ? BUCKETS : 0);
    int kind = PyUnicode_KIND(args[0]);
    const void *data = PyUnicode_DATA(args[0]);
    Py_ssize_t count;
    if (length > CHUNK) {
        Py_BEGIN_ALLOW_THREADS
        count = scan(self, weights, kind, data, length, blocks);
        Py_END_ALLOW_THREADS
    }
    else {
        count = scan(self, weights, kind, data, length, blocks);
    }
    PyObject *result = NULL, *places = NULL;
    if (count == 0) {
        result = Py_NewRef(Py_None);
        goto done;
    }
    Py_ssize_t windows = count > WINDOW ? (count - STRIDE + STRIDE - 1) / STRIDE : 1, best = 0;
    double worst = -INFINITY;
    double bias = self->bias - self->spread * log((double)(windows < MANY ? windows : MANY));
    if ((places = PyList_New(0)) == NULL)
        goto done;
    for (Py_ssize_t window = 0; window < windows; window++) {
        double logit = window_logit(self, blocks, window, count, bias);
        if (logit > worst) {
            worst = logit;
            best = window;
        }
        if (logit >= self->doubtful) {
            PyObject *place =
                Py_BuildValue("nn", blocks[window].start, window_end(blocks, window, count, length));
            int failed = place == NULL || PyList_Append(places, place) < 0;
            Py_XDECREF(place);
            if (failed)
                goto done;
        }
    }
    result = Py_BuildValue("dnnO", worst, blocks[best].start, window_end(blocks, best, count, length), places);
done:
    Py_XDECREF(places);
    PyMem_RawFree(blocks);
    return result;
}

static int
Scorer_init(Scorer *self, PyObject *args, PyObject *kwargs)
{
    static char *names[] = {"numbers", "fold", "alone", "slots", "weights", "scale", "bias", "spread", "least",
                            "doubtful", NULL};
    if (self->numbers.obj) {
        PyErr_SetString(PyExc_TypeError, "made already");
        return -1;
    }
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "y*y*y*y*y*dddid", names, &self->numbers, &self->fold, &self->alone,
                                     &self->slots, &self->weights, &self->scale, &self->bias, &self->spread,
                                     &self->least, &self->doubtful))
        return -1;
    if (self->numbers.len != sizeof(Numbers) || self->fold.len != LETTERS * 2 || self->alone.len != LETTERS ||
        self->slots.len != 2 << SLOT_BITS || self->weights.len != 2 * BUCKETS) {
        PyErr_SetString(PyExc_ValueError, "a table of the wrong size");
        return -1;
    }
    return 0;
}

static void
Scorer_dealloc(Scorer *self)
{
    Py_buffer *buffers[] = {&self->numbers, &self->fold, &self->alone, &self->slots, &self->weights};
    for (size_t one = 0; one < sizeof buffers / sizeof *buffers; one++)
        if (buffers[one]->obj)
            PyBuffer_Release(buffers[one]);
    Py_TYPE(self)->tp_free((PyObject *)self);
}

static PyMethodDef methods[] = {
    {"locate", (PyCFunction)(void (*)(void))Scorer_locate, METH_FASTCALL, locate_doc},
    {NULL, NULL, 0, NULL},
};

static PyTypeObject type = {
    PyVarObject_HEAD_INIT(NULL, 0)
    .tp_name = "sidecar.inspection.model._scorer.Scorer",
    .tp_basicsize = sizeof(Scorer),
    .tp_flags = Py_TPFLAGS_DEFAULT,
    .tp_doc = "The model's tables; see InjectionModel. Threads may share it.",
    .tp_new = PyType_GenericNew,
    .tp_init = (initproc)Scorer_init,
    .tp_dealloc = (destructor)Scorer_dealloc,
    .tp_methods = methods,
};

static struct PyModuleDef module = {
    PyModuleDef_HEAD_INIT,
    .m_name = "_scorer",
    .m_size = -1,
};

PyMODINIT_FUNC
PyInit__scorer(void)
{
    PyObject *made = PyModule_Create(&module);
    if (made != NULL && PyModule_AddType(made, &type) < 0)
        Py_CLEAR(made);
    return made;
}
