# Tasks and the threads that they run on. A job is cut into tasks by its size alone, and sums of tasks
# are added in task order, so that results do not depend on how many threads there are.

cdef extern from "core/team.h" nogil:
    # a task of a job of any kind, on one of its threads; it leaves a result
    ctypedef void (*TaskFn "TeamTask")(void* job, int task, int thread) noexcept nogil
    int team_insists
    int team_size(int threads)
    void team_run(TaskFn run, void* job, int tasks, int threads)

cdef enum:
    PARALLEL_MIN = 32768        # elements below which starting threads costs more than it gains

cdef int thread_count = 1
cdef bint serial = False            # for good: this process was forked


cdef inline int threads_for(bint worth, Py_ssize_t tasks) noexcept nogil:
    """How many threads a call uses that is worth starting some; fewer where others keep CPUs busy,
    so that it may differ from one time to the next."""
    if not worth or serial or thread_count == 1 or tasks <= 1:
        return 1
    return team_size(<int>min(<Py_ssize_t>thread_count, tasks))


cdef void run_all(TaskFn run, void* job, int tasks, int threads) noexcept nogil:
    cdef int task
    if threads > 1:
        team_run(run, job, tasks, threads)
    else:
        for task in range(tasks):
            run(job, task, 0)
