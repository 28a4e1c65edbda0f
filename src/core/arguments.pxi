# Checking what the caller passed, through the NumPy C API. Nothing is converted here: an array
# of another dtype is read through its operand.

class DomainError(ValueError):
    """A value outside the domain of a loss.

    Attributes
    ----------
    argument : str
        ``"y_true"``, ``"y_pred"`` or ``"sample_weight"``.
    index : tuple of int
        Where in the array the value is.
    value : float
        The value.
    domain : str
        What it should have been, as in ``"in [0, 1]"``.
    loss : str or None
        Of several losses, the one that refuses it.
    """

    def __init__(self, argument, index, value, domain, loss=None):
        super().__init__(argument, index, value, domain, loss)
        self.argument, self.index, self.value = argument, index, value
        self.domain, self.loss = domain, loss

    def __str__(self):
        index = f"[{', '.join(map(str, self.index))}]" if self.index else ""
        loss = f" ({self.loss})" if self.loss else ""
        return f"{self.argument}{index} = {self.value} is not {self.domain}{loss}"


cdef inline cnp.ndarray as_array(object given, str name, bint gaps=True):
    """An argument as an array. gaps: what is missing among numbers becomes NaN."""
    if cnp.PyArray_CheckExact(given):
        return <cnp.ndarray>given
    return made_array(given, name, gaps)


cdef cnp.ndarray made_array(object given, str name, bint gaps):
    cdef cnp.ndarray array
    if is_masked(given):
        raise TypeError(
            f"{name} is a masked array; pass its data, and the mask as sample_weight=~mask")
    try:
        array = np.asarray(given)
    except (TypeError, RuntimeError) as error:
        if not hasattr(given, "detach"):
            raise
        raise TypeError(f"{name} is a tensor that NumPy cannot read ({error}); pass "
                        f"{name}.detach().cpu().float()") from error
    if type(given) is list and array.dtype.kind == "f" and np.isnan(array).any() and (
            any([item is np.ma.masked for item in given])):     # asarray makes NaN of it
        raise TypeError(
            f"{name} holds numpy.ma.masked; put a number there, and 0 in sample_weight")
    if gaps and cnp.PyArray_TYPE(array) == cnp.NPY_OBJECT and cnp.PyArray_NDIM(array) > 0:
        return numbers_of(array)    # of a list or a column with gaps, whose dtype is not NumPy's
    return array


cdef cnp.ndarray numbers_of(cnp.ndarray objects):
    """Objects that are real numbers or gaps as numbers, with NaN for gaps; all else, as labels of
    classes, and integers that would be rounded, as it is."""
    items = objects.ravel().tolist()
    kinds = {*map(type, items)}
    if not all([is_gap(kind) or is_real(kind) for kind in kinds]):
        return objects
    if kinds == {int}:
        numbers = np.array(items)
        return numbers.reshape(shape_of(objects)) if numbers.dtype.kind in "iu" else objects
    try:
        floats = [np.nan if is_gap(type(item)) else float(item) for item in items]
    except OverflowError:
        return objects
    for item, number in zip(items, floats):
        if isinstance(item, Integral) and item != number:
            return objects
    return np.array(floats).reshape(shape_of(objects))


cdef bint is_gap(object kind):
    """Whether a type is that of None or of pandas.NA."""
    return kind is type(None) or kind.__name__ == "NAType"


cdef bint is_real(object kind):
    return issubclass(kind, (Real, Decimal, np.bool_))


cdef bint is_masked(object given) except -1:
    """Whether something, or one of a sequence of arrays, has a mask, which asarray would drop."""
    if isinstance(given, (list, tuple)):
        return len(given) > 0 and not isinstance(given[0], (int, float)) and any(
            [is_masked(item) for item in given])
    return isinstance(given, np.ma.MaskedArray)


def input_array(given, name):
    """An argument as an array; masked arrays are refused by name."""
    return as_array(given, name)


cdef inline int compute_type(cnp.ndarray array, str name) except -1:
    """NPY_FLOAT or NPY_DOUBLE: what an array of predictions is computed in."""
    cdef int type_num = cnp.PyArray_TYPE(array)
    if type_num == cnp.NPY_FLOAT or type_num == cnp.NPY_DOUBLE:
        return type_num
    return type_for(array, type_num, name)


cdef int type_for(cnp.ndarray array, int type_num, str name) except -1:
    """compute_type() of other types than these two."""
    if type_num == NPY_HALF:
        return cnp.NPY_FLOAT
    if cnp.PyTypeNum_ISINTEGER(type_num) or type_num == cnp.NPY_BOOL:
        return cnp.NPY_DOUBLE
    if is_bfloat16(array):
        return cnp.NPY_FLOAT
    raise TypeError(f"{name} must hold real, integer or bool values; got dtype {array.dtype}"
                    f"{remedy(array, type_num, name)}")


cdef str remedy(cnp.ndarray array, int type_num, str name):
    """What to do about numbers of other dtypes, or which object is none."""
    if type_num == cnp.NPY_OBJECT:
        for index, item in np.ndenumerate(array):
            if not (is_gap(type(item)) or is_real(type(item))):
                return f": {name}[{', '.join(map(str, index))}] is {item!r}" if index else ""
    elif type_num != cnp.NPY_LONGDOUBLE:
        return ""
    return f"; pass {name}.astype(numpy.float64)"


cdef inline bint same_shape(cnp.ndarray a, cnp.ndarray b) noexcept:
    cdef int i
    if cnp.PyArray_NDIM(a) != cnp.PyArray_NDIM(b):
        return False
    for i in range(cnp.PyArray_NDIM(a)):
        if cnp.PyArray_DIM(a, i) != cnp.PyArray_DIM(b, i):
            return False
    return True


cdef tuple shape_of(cnp.ndarray array):
    return tuple([cnp.PyArray_DIM(array, i) for i in range(cnp.PyArray_NDIM(array))])


cdef inline int check_pair(cnp.ndarray y, cnp.ndarray z) except -1:
    """The type to compute in."""
    cdef int type_num = compute_type(z, "y_pred")
    compute_type(y, "y_true")
    if not same_shape(y, z):
        raise ValueError(
            f"y_true and y_pred must have the same shape (nothing is broadcast); "
            f"got {shape_of(y)} and {shape_of(z)}")
    return type_num


cdef class Masked:
    """Weights, or None, and a mask of what counts, in place of weights."""

    cdef object weight, where

    def __cinit__(self, weight, where):
        self.weight, self.where = weight, where


cdef cnp.ndarray mask_of(object given, tuple shapes):
    """A mask of one of these shapes."""
    cdef cnp.ndarray mask = as_array(given, "where")
    if cnp.PyArray_TYPE(mask) != cnp.NPY_BOOL:
        raise TypeError(f"where must be an array of booleans; got dtype {mask.dtype}")
    if shape_of(mask) not in shapes:
        wanted = " or ".join(map(str, dict.fromkeys(shapes)))
        raise ValueError(f"where must have shape {wanted}; got {shape_of(mask)}")
    return mask


cdef cnp.ndarray masked(cnp.ndarray weight, cnp.ndarray mask):
    """Weights, 0 where the mask is False; without weights the mask, whose 1 and 0 are such."""
    cdef int i
    if weight is None:
        return mask
    i = cnp.PyArray_NDIM(weight) - cnp.PyArray_NDIM(mask)
    if i > 0:
        mask = mask.reshape(shape_of(mask) + (1,) * i)
    elif i < 0:
        weight = weight.reshape(shape_of(weight) + (1,) * -i)
    return np.where(mask, weight, np.zeros((), weight.dtype))


def masked_weight(sample_weight, where, tuple shape):
    """Weights of samples of a shape, or of its first axis alone, that are 0 where a mask is False."""
    cdef cnp.ndarray weight = None
    mask = mask_of(where, (shape, shape[:1]))
    if sample_weight is not None:
        weight = as_array(sample_weight, "sample_weight")
        if shape_of(weight) not in (shape, shape[:1]):
            raise ValueError(
                f"sample_weight must have shape {shape} or {shape[:1]}; got {shape_of(weight)}")
    return masked(weight, mask)


cdef cnp.ndarray check_weight(object given, cnp.ndarray y):
    cdef cnp.ndarray w
    if given is None:
        return None
    if type(given) is Masked:
        w = check_weight((<Masked>given).weight, y)
        return masked(w, mask_of((<Masked>given).where, (shape_of(y), shape_of(y)[:1])))
    w = as_array(given, "sample_weight")
    compute_type(w, "sample_weight")
    if same_shape(w, y):
        return w
    if cnp.PyArray_NDIM(w) == 1 and cnp.PyArray_NDIM(y) > 1 and (
            cnp.PyArray_DIM(w, 0) == cnp.PyArray_DIM(y, 0)):
        return w
    rows = f", or ({cnp.PyArray_DIM(y, 0)},) for its rows" if cnp.PyArray_NDIM(y) > 1 else ""
    raise ValueError(
        f"sample_weight must have y_true's shape {shape_of(y)}{rows}; got {shape_of(w)}")


cdef inline int check_is_array(object given) except -1:
    if not cnp.PyArray_CheckExact(given) and (
            not isinstance(given, np.ndarray) or isinstance(given, np.ma.MaskedArray)):
        raise TypeError(f"out must be a numpy.ndarray; got {type(given).__name__}")
    return 0


cdef cnp.ndarray check_out(object given, cnp.ndarray z, int type_num):
    """given, if results can be written straight into it; a new array if it is None."""
    cdef cnp.ndarray out
    if given is None:
        return cnp.PyArray_EMPTY(cnp.PyArray_NDIM(z), cnp.PyArray_DIMS(z), type_num, 0)
    check_is_array(given)
    out = <cnp.ndarray>given
    if not (same_shape(out, z) and is_direct(out, type_num) and cnp.PyArray_ISWRITEABLE(out)):
        flags = "" if out.flags.c_contiguous else " not C-contiguous"
        flags += "" if out.flags.writeable else " read-only"
        raise ValueError(
            f"out must be a writeable, C-contiguous, aligned array of native "
            f"{'float32' if type_num == cnp.NPY_FLOAT else 'float64'} and shape {shape_of(z)}; "
            f"got{flags} dtype {out.dtype} and shape {shape_of(out)}")
    return out


cdef cnp.ndarray check_result(object given, cnp.ndarray z, int type_num):
    """given, if results can be written to it, converted a block at a time; a new array if None."""
    cdef cnp.ndarray out
    cdef int kind
    if given is None:
        return cnp.PyArray_EMPTY(cnp.PyArray_NDIM(z), cnp.PyArray_DIMS(z), type_num, 0)
    check_is_array(given)
    out = <cnp.ndarray>given
    kind = cnp.PyArray_TYPE(out)
    if not (same_shape(out, z) and cnp.PyArray_ISWRITEABLE(out)
            and (kind == cnp.NPY_FLOAT or kind == cnp.NPY_DOUBLE)
            and (is_direct(out, kind) or elements_apart(out))):
        flags = "" if out.flags.writeable else " read-only"
        flags += "" if elements_apart(out) else " overlapping elements"
        raise ValueError(
            f"out must be a writeable array of float32 or float64 and of shape {shape_of(z)}; "
            f"got{flags} dtype {out.dtype} and shape {shape_of(out)}")
    return out


cdef bint elements_apart(cnp.ndarray array) except -1:
    """Whether each element has memory of its own, as it may not in a broadcast array."""
    if cnp.PyArray_SIZE(array) == 0:
        return True
    steps = sorted(
        (abs(cnp.PyArray_STRIDE(array, i)), cnp.PyArray_DIM(array, i))
        for i in range(cnp.PyArray_NDIM(array)) if cnp.PyArray_DIM(array, i) > 1)
    reach = cnp.PyArray_ITEMSIZE(array)
    for stride, length in steps:
        if stride < reach:
            return False
        reach = stride * length
    return True


cdef tuple check_outs(
        object given, bint has_value, bint has_grad, bint has_hess, cnp.ndarray rows,
        cnp.ndarray z, int type_num):
    """The arrays for values, shaped like rows, for gradients and for Hessians, shaped like z:
    the caller's or new, None where there is none."""
    cdef cnp.ndarray first, second, like = rows if has_value else z
    cdef int count = has_value + has_grad + has_hess
    if count == 0:
        if given is not None:
            raise ValueError('out is for reduction="none" here: the reduced loss is a float')
        return None, None, None
    if count == 1:
        first = check_result(given, like, type_num)
        return (first, None, None) if has_value else (None, first, None)
    if given is None:
        given = (None, None)
    elif not isinstance(given, (tuple, list)) or len(given) != 2:
        raise TypeError(f"out must be a pair of arrays here; got {type(given).__name__}")
    first = check_result(given[0], like, type_num)
    second = check_result(given[1], z, type_num)
    if overlap(first, second):
        raise ValueError("the two arrays of out overlap in memory")
    return (first, second, None) if has_value else (None, first, second)


def output_array(out, array, name):
    """Where the gradient by an array goes: ``out``, if it can be written straight into it."""
    return check_out(out, array, compute_type(array, name))


cdef inline void extent(cnp.ndarray array, char** low, char** high) noexcept:
    """The bytes that an array spans."""
    cdef int i
    cdef Py_ssize_t reach
    low[0] = high[0] = cnp.PyArray_BYTES(array)
    for i in range(cnp.PyArray_NDIM(array)):
        if cnp.PyArray_DIM(array, i) == 0:
            high[0] = low[0] = cnp.PyArray_BYTES(array)
            return
        reach = (cnp.PyArray_DIM(array, i) - 1) * cnp.PyArray_STRIDE(array, i)
        if reach < 0:
            low[0] += reach
        else:
            high[0] += reach
    high[0] += cnp.PyArray_ITEMSIZE(array)


cdef inline bint overlap(cnp.ndarray a, cnp.ndarray b) except -1:
    cdef char* a_low
    cdef char* a_high
    cdef char* b_low
    cdef char* b_high
    extent(a, &a_low, &a_high)
    extent(b, &b_low, &b_high)
    return a_low < b_high and b_low < a_high and shares(a, b)


cdef bint shares(cnp.ndarray a, cnp.ndarray b) except -1:
    """overlap() of arrays whose extents do."""
    try:                            # two columns of one array do not
        return np.shares_memory(a, b, max_work=1000)
    except np.exceptions.TooHardError:
        return True


cdef inline bint check_overlap(
        cnp.ndarray out, cnp.ndarray array, str name, int type_num) except -1:
    """True if out is array itself; an error if the two share memory in any other way."""
    return array is not None and overlap(out, array) and check_whole(out, array, name, type_num)


cdef bint check_whole(cnp.ndarray out, cnp.ndarray array, str name, int type_num) except -1:
    """check_overlap() of arrays that overlap."""
    if (is_direct(array, type_num) and is_direct(out, type_num) and same_shape(out, array)
            and cnp.PyArray_BYTES(out) == cnp.PyArray_BYTES(array)):
        return True
    raise ValueError(
        f"out overlaps {name} in memory; it may be the whole of a contiguous {name} of the "
        f"result's dtype, or separate from it")


cdef bint overwrites_input(
        cnp.ndarray a, cnp.ndarray b, cnp.ndarray c, cnp.ndarray y, cnp.ndarray z, cnp.ndarray w,
        int type_num) except -1:
    """Whether one of the outputs, of which some may be None, is an input."""
    cdef PyObject** outs = [<PyObject*>a, <PyObject*>b, <PyObject*>c]
    cdef cnp.ndarray out
    cdef bint found = False
    cdef int i
    for i in range(3):
        if <object>outs[i] is None:
            continue
        out = <cnp.ndarray>outs[i]
        found |= check_overlap(out, z, "y_pred", type_num)
        found |= check_overlap(out, y, "y_true", type_num)
        found |= check_overlap(out, w, "sample_weight", type_num)
    return found
