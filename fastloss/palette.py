"""Colours that people of any colour vision tell apart, after Okabe and Ito."""

BLACK = "#000000"
VERMILION = "#d55e00"
ORANGE = "#e69f00"
BLUE = "#0072b2"
SKY = "#56b4e9"
GREEN = "#009e73"
PINK = "#cc79a7"
GREY = "0.45"  # of lines to compare with
PALE = "0.85"  # of grids
