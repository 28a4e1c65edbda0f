"""Colours that people of any colour vision tell apart, after Okabe and Ito."""

BLACK = "#000000"
VERMILION = "#d55e00"
ORANGE = "#e69f00"
BLUE = "#0072b2"
SKY = "#56b4e9"
GREEN = "#009e73"
PINK = "#cc79a7"
# Of the same hues or between them, for more than eight: beside shapes that tell them apart too.
LIME = "#8fbf5a"
PURPLE = "#7b4fa3"
LILAC = "#c3a6dc"
BROWN = "#7a3b10"
YELLOW = "#e8d21d"
GREY = "0.45"  # of lines to compare with
PALE = "0.85"  # of grids
