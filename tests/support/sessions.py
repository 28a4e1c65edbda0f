"""Local clusters of one machine, or a reason to skip the tests that need them."""

import os
import shutil
import signal
import sys

import pytest


def spark():
    """A session of Spark with two cores, whose Python is this one."""
    sql = pytest.importorskip("pyspark.sql", reason="fastloss.spark needs it")
    if shutil.which("java") is None and "JAVA_HOME" not in os.environ:
        pytest.skip("Spark needs Java")
    os.environ["PYSPARK_PYTHON"] = sys.executable
    options = {
        "spark.ui.enabled": "false",
        "spark.driver.host": "127.0.0.1",
        "spark.driver.bindAddress": "127.0.0.1",
        "spark.driver.extraJavaOptions": "-XX:TieredStopAtLevel=1 -XX:+UseSerialGC",  # starts fast
        "spark.sql.shuffle.partitions": "2",
    }
    interrupted = signal.getsignal(signal.SIGINT)
    session = sql.SparkSession.builder.master("local[2]").config(map=options).getOrCreate()
    signal.signal(signal.SIGINT, interrupted)  # which Spark answers itself, and breaks what follows
    session.sparkContext.setLogLevel("OFF")  # tasks fail on purpose
    return session


def ray():
    """Ray with two CPUs."""
    module = pytest.importorskip("ray", reason="fastloss.ray needs it")
    module.init(num_cpus=2, include_dashboard=False, log_to_driver=False, configure_logging=False)
    return module
