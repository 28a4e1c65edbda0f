# Which instruction sets this processor has, and the kernels of the one in use.

from cpython.pycapsule cimport PyCapsule_GetPointer
from kernel_table cimport KernelTable

cdef extern from *:
    """
    #if defined(__x86_64__) && defined(__GNUC__)
      #define FL_HAS_AVX2() (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"))
      #define FL_HAS_AVX512() (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq") \\
          && __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vl"))
    #elif defined(_M_X64)
      #include <intrin.h>
      /* bits of leaf 7's EBX, with the operating system saving the registers that they need */
      static int fl_leaf7(int bits, unsigned long long saved) {
          int r[4];
          __cpuid(r, 1);
          if (!(r[2] & (1 << 27)) || !(r[2] & (1 << 12)) || (_xgetbv(0) & saved) != saved) return 0;
          __cpuidex(r, 7, 0);
          return (r[1] & bits) == bits;
      }
      #define FL_HAS_AVX2() fl_leaf7(1 << 5, 0x6)
      #define FL_HAS_AVX512() fl_leaf7((1 << 16) | (1 << 17) | (1 << 30) | (int)(1u << 31), 0xe6)
    #else
      #define FL_HAS_AVX2() 0
      #define FL_HAS_AVX512() 0
    #endif

    #if defined(__clang__)
      #define FL_COMPILER "clang " __clang_version__
    #elif defined(__GNUC__)
      #define FL_COMPILER "gcc " __VERSION__
    #elif defined(_MSC_VER)
      #define FL_STRING_(x) #x
      #define FL_STRING(x) FL_STRING_(x)
      #define FL_COMPILER "MSVC " FL_STRING(_MSC_VER)
    #else
      #define FL_COMPILER "unknown"
    #endif

    #ifdef _OPENMP
      #define FL_OPENMP 1
    #else
      #define FL_OPENMP 0
    #endif
    """
    bint FL_HAS_AVX2()
    bint FL_HAS_AVX512()
    const char* FL_COMPILER
    bint FL_OPENMP


def available_isas():
    """The instruction sets that this machine can run, the widest last."""
    sets = ["baseline"]
    if FL_HAS_AVX2():
        sets.append("avx2")
        if FL_HAS_AVX512():
            sets.append("avx512")
    return tuple(sets)


def _choose_isa():
    sets = available_isas()
    forced = os.environ.get("FASTLOSS_ISA")
    if not forced:
        return sets[-1]
    if forced not in sets:
        raise ImportError(
            f"FASTLOSS_ISA={forced!r}, but this machine has {', '.join(sets)}")
    return forced


isa = _choose_isa()
compiler = FL_COMPILER.decode()
openmp = bool(FL_OPENMP)

# A module that should import and cannot is an error, never a fallback.
_kernels = importlib.import_module(f"fastloss._kernels_{isa}")
cdef KernelTable* kernels = <KernelTable*>PyCapsule_GetPointer(_kernels.table, "fastloss.kernels")
kernel_losses = _kernels.losses         # name -> (index, names of parameters)
kernel_rules = _kernels.rules           # the same for the rules of optimizers
