/* Python itself, linked with a tool's runtime: so that is there before all else, and in this process
   and Python's children alone, which a preloaded library would not be. */

#include <Python.h>

int main(int argc, char **argv) { return Py_BytesMain(argc, argv); }
