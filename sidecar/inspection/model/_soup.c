/* What gibberish.py and soup.py do in numpy, in one pass over the bytes of a text. The tests hold both to the same
 * answers. Without a compiler at installation, numpy does the work.
 *
 * The text may be hostile: every index into a table is a byte, masked, or of the table's width, and what is allocated
 * is a fixed number of bytes for each byte of the text. The caller hands over 64 kB at a time.
 */
#define PY_SSIZE_T_CLEAN
#include <Python.h>
#include <math.h>
#include <stdint.h>
#include <string.h>

enum {
    BLOCK = 8,
    SIGHT = 8,
    MARGIN = 128,
    GATE_BITS = 15,
    BITS = 17,
    ROWS = 12,
    BYTE_ROWS = 2,
    WINDOW = 16,
    STRIDE = 4,
    SALTS = 32,
    LENGTHS = 34,
    DISTANCES = 129,
    NEVER = 7,
    NEWLINE = 10,
    SPACE = 0,
    LOWER = 1,
    UPPER = 2,
    SIGN = 4,
};
#define DAMPING 4.0

/* The numbers of the two modules, in the order in which compiled.py joins them. */
typedef struct {
    uint64_t salts[SALTS];
    uint64_t rows[ROWS + BYTE_ROWS];
    uint64_t lengths[LENGTHS];
    uint64_t distances[DISTANCES];
} Numbers;

typedef struct {
    PyObject_HEAD
    Py_buffer numbers, kinds, groups, gate, weights;
    double bias;
    long long limit;
} Soup;

/* What the gate lets through, from and to, and where it stands in the text that is scored. */
typedef struct {
    Py_ssize_t begin, end, shift;
} Region;

typedef struct {
    Py_ssize_t begin, start, end; /* with the white space before it, and without */
    uint64_t word, named, shape, rough, three;
    uint8_t kind, length, seen, coming, again, anew;
} Piece;

/* Arrays for one text, freed together. */
typedef struct {
    Region *regions;
    uint8_t *raw, *low;
    Piece *pieces;
    double *sums; /* of what bytes count, and later of what pieces do */
    int32_t *slots;
} Work;

static uint8_t
gate_of(const Soup *self, const uint8_t *data, Py_ssize_t at)
{
    const uint8_t *kinds = self->kinds.buf, *gate = self->gate.buf;
    unsigned code = kinds[at >= 2 ? data[at - 2] : ' '];
    code = code << 5 | kinds[at >= 1 ? data[at - 1] : ' '];
    code = code << 5 | kinds[data[at]];
    return gate[code & ((1 << GATE_BITS) - 1)];
}

/* Fills `regions` (one for each block at most) and returns their number. */
static Py_ssize_t
gate(const Soup *self, const uint8_t *data, Py_ssize_t size, Region *regions)
{
    if (size < BLOCK * SIGHT) {
        long long sum = 0;
        for (Py_ssize_t at = 0; at < size; at++)
            sum += gate_of(self, data, at);
        if (sum == 0 || sum * BLOCK * SIGHT < self->limit * size)
            return 0;
        regions[0] = (Region){0, size, 0};
        return 1;
    }
    Py_ssize_t found = 0, at = size % BLOCK;
    int blocks[SIGHT] = {0};
    long long sum = 0;
    for (Py_ssize_t number = 0; at < size; number++) {
        int block = 0;
        for (int one = 0; one < BLOCK; one++, at++)
            block += gate_of(self, data, at);
        sum += block - blocks[number % SIGHT];
        blocks[number % SIGHT] = block;
        if (number < SIGHT - 1 || sum < self->limit)
            continue;
        Py_ssize_t begin = at - BLOCK * SIGHT - MARGIN, end = at + MARGIN;
        if (found && begin <= regions[found - 1].end)
            regions[found - 1].end = end;
        else
            regions[found++] = (Region){begin, end, 0};
    }
    for (Py_ssize_t one = 0; one < found; one++) {
        if (regions[one].begin < 0)
            regions[one].begin = 0;
        if (regions[one].end > size)
            regions[one].end = size;
    }
    return found;
}

static unsigned
bucket(const Numbers *numbers, uint64_t value, int row)
{
    value *= numbers->rows[row];
    value ^= value >> 29;
    return (unsigned)(value * numbers->salts[15] >> (64 - BITS));
}

static uint8_t
group_at(const uint8_t *groups, const uint8_t *raw, Py_ssize_t at, Py_ssize_t size)
{
    return at < 0 || at >= size ? SPACE : groups[raw[at]];
}

/* Cuts the text and describes each piece by itself; returns their number. */
static Py_ssize_t
cut(const Soup *self, const Work *work, Py_ssize_t size)
{
    const uint8_t *groups = self->groups.buf;
    const Numbers *numbers = self->numbers.buf;
    const uint64_t *salts = numbers->salts;
    Py_ssize_t count = 0, edge = 0, begin = 0;
    for (Py_ssize_t at = 1; at <= size; at++) {
        uint8_t before = groups[work->raw[at - 1]], here = group_at(groups, work->raw, at, size);
        int cut_here = at == size || (before != here && (before != UPPER || here != LOWER)) ||
                       (before == UPPER && here == UPPER && group_at(groups, work->raw, at + 1, size) == LOWER);
        if (!cut_here)
            continue;
        Py_ssize_t start = edge;
        edge = at;
        uint8_t kind = groups[work->raw[start]];
        if (kind == SPACE)
            continue;
        Piece *piece = work->pieces + count++;
        uint64_t word = 0, power = 1;
        for (Py_ssize_t letter = start; letter < at; letter++, power *= salts[0])
            word += work->low[letter] * power;
        word ^= word >> 29;
        Py_ssize_t gap = start - begin;
        uint64_t space = gap > 0 && work->raw[start - 1] == NEWLINE ? 3 : (uint64_t)(gap < 2 ? gap : 2);
        uint8_t last = work->raw[at - 1];
        uint64_t length = numbers->lengths[at - start < LENGTHS ? at - start : LENGTHS - 1];
        uint64_t outline = kind * 8u + groups[last] + 1u;
        uint64_t shape = (outline * 2 + (last >> 7)) * 8 + length;
        *piece = (Piece){
            .begin = begin,
            .start = start,
            .end = at,
            .word = word,
            .named = word + space * salts[1],
            .shape = (kind == SIGN ? word : shape * salts[2]) + space * salts[3],
            .rough = (kind == SIGN ? word : outline * salts[4]) + space * salts[5],
            .kind = kind,
            .length = (uint8_t)length,
            .seen = NEVER,
            .coming = NEVER,
            .again = NEVER,
            .anew = NEVER,
        };
        piece->three = piece->rough;
        if (count > 1)
            piece->three += piece[-1].rough * salts[11];
        if (count > 2)
            piece->three += piece[-2].rough * salts[12];
        begin = at;
    }
    return count;
}

/* How far before and behind each piece the same one stands next, by its words or by its three outlines. */
static void
find_again(const Numbers *numbers, const Work *work, Py_ssize_t count, int by_word)
{
    size_t width = 16;
    while (width < (size_t)count * 2)
        width *= 2;
    memset(work->slots, 0xff, width * sizeof *work->slots);
    for (Py_ssize_t at = 0; at < count; at++) {
        Piece *piece = work->pieces + at;
        uint64_t value = by_word ? piece->word : piece->three;
        size_t slot = (size_t)(value * numbers->salts[15] >> 32) & (width - 1);
        for (; work->slots[slot] >= 0; slot = (slot + 1) & (width - 1)) {
            Piece *other = work->pieces + work->slots[slot];
            if (value != (by_word ? other->word : other->three))
                continue;
            Py_ssize_t gap = piece - other;
            uint8_t step = (uint8_t)numbers->distances[gap < DISTANCES ? gap : DISTANCES - 1];
            if (by_word)
                piece->seen = other->coming = step;
            else
                piece->again = other->anew = step;
            break;
        }
        work->slots[slot] = (int32_t)at;
    }
}

/* What a piece counts with those before it, without its bytes. */
static double
share_of(const Soup *self, const Piece *pieces, Py_ssize_t at)
{
    const Numbers *numbers = self->numbers.buf;
    const float *weights = self->weights.buf;
    const uint64_t *salts = numbers->salts;
    static const Piece none;
    const Piece *here = pieces + at, *one = at >= 1 ? here - 1 : &none, *two = at >= 2 ? here - 2 : &none,
                *three = at >= 3 ? here - 3 : &none;
    uint64_t shapes = here->shape + one->shape * salts[8];
    uint64_t more = shapes + two->shape * salts[9];
    uint64_t values[ROWS] = {
        here->word,
        here->named,
        at >= 1 ? here->named * salts[6] + one->word : 0,
        at >= 2 ? here->word * salts[7] + two->word : 0,
        shapes,
        at >= 2 ? more : 0,
        at >= 3 ? more + three->shape * salts[10] : 0,
        at >= 3 ? here->three + three->three * salts[13] : 0,
        at >= 1 ? here->three + one->rough * salts[14] : 0,
        ((here->seen * 8u + here->coming) * 8u + here->kind) * 8u + here->length,
        (here->again * 8u + here->anew) * 8u + here->kind,
        at >= 1 ? ((here->again * 8u + one->again) * 8u + here->seen) * 8u + one->seen : 0,
    };
    double share = 0;
    for (int row = 0; row < ROWS; row++)
        share += weights[bucket(numbers, values[row], row)];
    return share;
}

/* Sums of what the bytes before each one count. */
static void
sum_bytes(const Soup *self, const Work *work, Py_ssize_t size)
{
    const Numbers *numbers = self->numbers.buf;
    const float *weights = self->weights.buf;
    uint32_t raw = 0, low = 0;
    work->sums[0] = 0;
    for (Py_ssize_t at = 0; at < size; at++) {
        raw = (raw << 8 | work->raw[at]) & 0xffffff;
        low = low << 8 | work->low[at];
        float share = weights[bucket(numbers, raw, ROWS)] + weights[bucket(numbers, low, ROWS + 1)];
        work->sums[at + 1] = work->sums[at] + share;
    }
}

static double
window_logit(const Soup *self, const double *total, Py_ssize_t window, Py_ssize_t count)
{
    Py_ssize_t first = window * STRIDE, last = first + WINDOW < count ? first + WINDOW : count;
    return (total[last] - total[first]) / sqrt((double)(last - first) + DAMPING) + self->bias;
}

/* Where in the whole text a place of the scored one is. */
static Py_ssize_t
place(const Region *regions, Py_ssize_t count, Py_ssize_t offset)
{
    Py_ssize_t one = 0;
    while (one + 1 < count && regions[one + 1].shift <= offset)
        one++;
    Py_ssize_t there = regions[one].begin + offset - regions[one].shift;
    return there < regions[one].end ? there : regions[one].end;
}

static int
allocate(Work *work, Py_ssize_t size, Py_ssize_t regions)
{
    size_t bytes = (size_t)(size + regions);
    work->raw = PyMem_Malloc(bytes);
    work->low = PyMem_Malloc(bytes);
    work->pieces = PyMem_Malloc(bytes * sizeof *work->pieces);
    work->sums = PyMem_Malloc((bytes + 1) * sizeof *work->sums);
    work->slots = PyMem_Malloc((bytes * 4 + 16) * sizeof *work->slots);
    return work->raw && work->low && work->pieces && work->sums && work->slots;
}

static void
release(Work *work)
{
    void *arrays[] = {work->regions, work->raw, work->low, work->pieces, work->sums, work->slots};
    for (size_t one = 0; one < sizeof arrays / sizeof *arrays; one++)
        PyMem_Free(arrays[one]);
}

/* What is worth scoring, line by line, in two spellings; returns its size. */
static Py_ssize_t
copy(const Work *work, const uint8_t *data, Py_ssize_t regions)
{
    Py_ssize_t size = 0;
    for (Py_ssize_t one = 0; one < regions; one++) {
        if (one)
            work->raw[size++] = NEWLINE;
        work->regions[one].shift = size;
        for (Py_ssize_t at = work->regions[one].begin; at < work->regions[one].end; at++)
            work->raw[size++] = data[at] < 128 ? data[at] : 128;
    }
    for (Py_ssize_t at = 0; at < size; at++)
        work->low[at] = work->raw[at] >= 'A' && work->raw[at] <= 'Z' ? work->raw[at] + 32 : work->raw[at];
    return size;
}

PyDoc_STRVAR(worst_doc,
"worst(data)\n--\n\n"
"(log-odds, start, end) of the worst stretch of some bytes; None when the gate lets nothing through.");

static PyObject *
Soup_worst(Soup *self, PyObject *data)
{
    char *bytes;
    Py_ssize_t length;
    if (PyBytes_AsStringAndSize(data, &bytes, &length) < 0)
        return NULL;
    if (length >= 1 << 16)
        return PyErr_Format(PyExc_ValueError, "%zd bytes are too many at once", length);
    const uint8_t *text = (const uint8_t *)bytes;
    Work work = {0};
    PyObject *result = NULL;
    work.regions = PyMem_Malloc((size_t)(length / BLOCK + 1) * sizeof *work.regions);
    if (work.regions == NULL)
        return PyErr_NoMemory();
    Py_ssize_t regions = gate(self, text, length, work.regions), count = 0;
    if (regions) {
        if (!allocate(&work, length, regions)) {
            PyErr_NoMemory();
            goto done;
        }
        Py_ssize_t size = copy(&work, text, regions);
        count = cut(self, &work, size);
        sum_bytes(self, &work, size);
    }
    if (count == 0) {
        result = Py_NewRef(Py_None);
        goto done;
    }
    find_again(self->numbers.buf, &work, count, 1);
    find_again(self->numbers.buf, &work, count, 0);
    double sum = 0, before = work.sums[work.pieces[0].begin];
    for (Py_ssize_t at = 0; at < count; at++) { /* a piece has no more bytes than its place in the text */
        double up_to = work.sums[work.pieces[at].end];
        double share = share_of(self, work.pieces, at) + up_to - before;
        before = up_to;
        work.sums[at] = sum;
        sum += share;
    }
    work.sums[count] = sum;

    Py_ssize_t windows = count > WINDOW ? (count - WINDOW + STRIDE - 1) / STRIDE + 1 : 1, best = 0;
    double worst = -INFINITY;
    for (Py_ssize_t window = 0; window < windows; window++) {
        double logit = window_logit(self, work.sums, window, count);
        if (logit > worst) {
            worst = logit;
            best = window;
        }
    }
    Py_ssize_t low = best, high = best;
    while (low > 0 && window_logit(self, work.sums, low - 1, count) >= 0)
        low--;
    while (high + 1 < windows && window_logit(self, work.sums, high + 1, count) >= 0)
        high++;
    Py_ssize_t last = high * STRIDE + WINDOW < count ? high * STRIDE + WINDOW : count;
    result = Py_BuildValue("dnn", worst, place(work.regions, regions, work.pieces[low * STRIDE].start),
                           place(work.regions, regions, work.pieces[last - 1].end));
done:
    release(&work);
    return result;
}

static int
Soup_init(Soup *self, PyObject *args, PyObject *kwargs)
{
    static char *names[] = {"numbers", "kinds", "groups", "gate", "weights", "bias", "limit", NULL};
    if (self->numbers.obj) {
        PyErr_SetString(PyExc_TypeError, "made already");
        return -1;
    }
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "y*y*y*y*y*dL", names, &self->numbers, &self->kinds, &self->groups,
                                     &self->gate, &self->weights, &self->bias, &self->limit))
        return -1;
    if (self->numbers.len != sizeof(Numbers) || self->kinds.len != 256 || self->groups.len != 256 ||
        self->gate.len != 1 << GATE_BITS || self->weights.len != (Py_ssize_t)sizeof(float) << BITS) {
        PyErr_SetString(PyExc_ValueError, "a table of the wrong size");
        return -1;
    }
    return 0;
}

static void
Soup_dealloc(Soup *self)
{
    Py_buffer *buffers[] = {&self->numbers, &self->kinds, &self->groups, &self->gate, &self->weights};
    for (size_t one = 0; one < sizeof buffers / sizeof *buffers; one++)
        if (buffers[one]->obj)
            PyBuffer_Release(buffers[one]);
    Py_TYPE(self)->tp_free((PyObject *)self);
}

static PyMethodDef methods[] = {
    {"worst", (PyCFunction)Soup_worst, METH_O, worst_doc},
    {NULL, NULL, 0, NULL},
};

static PyTypeObject type = {
    PyVarObject_HEAD_INIT(NULL, 0)
    .tp_name = "sidecar.inspection.model._soup.Soup",
    .tp_basicsize = sizeof(Soup),
    .tp_flags = Py_TPFLAGS_DEFAULT,
    .tp_doc = "The model's tables; see GibberishModel. Threads may share it.",
    .tp_new = PyType_GenericNew,
    .tp_init = (initproc)Soup_init,
    .tp_dealloc = (destructor)Soup_dealloc,
    .tp_methods = methods,
};

static struct PyModuleDef module = {
    PyModuleDef_HEAD_INIT,
    .m_name = "_soup",
    .m_size = -1,
};

PyMODINIT_FUNC
PyInit__soup(void)
{
    PyObject *made = PyModule_Create(&module);
    if (made != NULL && PyModule_AddType(made, &type) < 0)
        Py_CLEAR(made);
    return made;
}
