# Tasks and the threads that they run on. A job is cut into tasks by its size alone, and sums of tasks
# are added in task order, so that results do not depend on how many threads there are.

cdef extern from "core/team.h" nogil:
    # a task of a job of any kind, on one of its threads; it leaves a result
    ctypedef void (*TaskFn "TeamTask")(void* job, int task, int thread) noexcept nogil
    double TEAM_WORTH
    int team_insists
    double team_now()
    double team_took()
    int team_size(int threads, double seconds)
    void team_run(TaskFn run, void* job, int tasks, int threads)

cdef enum:
    PARALLEL_MIN = 32768        # elements from which on threads are worth their start, as a rule
    LEAST_TIMED = 2048          # elements

cdef int thread_count = 1
cdef bint serial = False            # for good: this process was forked


cdef inline int threads_for(double seconds, Py_ssize_t tasks) noexcept nogil:
    """How many threads a call uses that takes one of them so long; fewer where others keep CPUs
    busy, so that it may differ from one time to the next."""
    if serial or thread_count == 1 or tasks <= 1:
        return 1
    return team_size(<int>min(<Py_ssize_t>thread_count, tasks), seconds)


cdef inline double long_if(bint worth) noexcept nogil:
    """For threads_for, where no more is known than whether threads are worth their start."""
    return INFINITY if worth else 0


# What a call takes is known from calls before: a pace is the seconds of an element, or 0. Pointers to
# a pace may be NULL.

cdef inline double seconds_of(Py_ssize_t n, const double* pace) noexcept nogil:
    if pace == NULL:
        return long_if(n >= PARALLEL_MIN)
    if pace[0] == 0 or team_insists:
        return n * (TEAM_WORTH / PARALLEL_MIN)
    return n * pace[0]


cdef inline double start_timing(Py_ssize_t n, int threads, const double* pace) noexcept nogil:
    """The time, or 0 where it is not worth reading the clock, or where the threads do."""
    cdef double seconds
    if pace == NULL or n < LEAST_TIMED or threads > 1:
        return 0
    seconds = n * pace[0]
    return team_now() if seconds == 0 or TEAM_WORTH / 3 < seconds < 20 * TEAM_WORTH else 0


cdef inline void stop_timing(
        double start, Py_ssize_t n, int threads, double* pace) noexcept nogil:
    """Note how long work took. A single call may be slow by chance; but one thread takes no longer
    than several do together."""
    cdef double found
    if start != 0:
        found = (team_now() - start) / n
        if pace[0] == 0 or found < pace[0]:
            pace[0] = found
        else:
            pace[0] += (min(found, 2 * pace[0]) - pace[0]) / 8
    elif threads > 1 and pace != NULL and pace[0] > team_took() / n:
        pace[0] = team_took() / n


cdef void run_all(TaskFn run, void* job, int tasks, int threads) noexcept nogil:
    cdef int task
    if threads > 1:
        team_run(run, job, tasks, threads)
    else:
        for task in range(tasks):
            run(job, task, 0)
