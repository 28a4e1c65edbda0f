from Cython.Build import cythonize
from setuptools import Extension, setup

import fastloss

sgd = Extension("cython_sgd", ["cython_sgd.pyx"], include_dirs=[fastloss.get_include()])
setup(ext_modules=cythonize([sgd]))
