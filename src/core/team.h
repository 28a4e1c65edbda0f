/* How many threads a call takes, and the OpenMP region that they run in.

A region ends when its last thread has. On a machine whose CPUs others keep busy that one may not
have begun for many milliseconds, so that a call of microseconds takes a thousand times as long as
on one thread. Each calling thread therefore watches its regions: where they took longer than one
thread would have, fewer threads are used for a while. Where the system tells how many tasks want a
CPU, that while ends as soon as there are CPUs for all threads, and a call that comes after a pause
looks before it starts. What the system tells may mislead (tasks of low priority are in nobody's
way), so that all threads are tried again from time to time, and seldom where that failed before. */

typedef void (*TeamTask)(void *job, int task, int thread);

static int team_insists = 0; /* all threads whatever happens: for tests of what threads do */

#ifdef _OPENMP
#include <limits.h>
#include <math.h>
#include <omp.h>
#if defined(__linux__)
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>
#endif

/* Seconds, measured with libgomp on two CPUs. */
#define TEAM_WORTH 12e-6    /* of work from which on threads that spin are worth their start, */
#define TEAM_WAKE 50e-6     /* and threads that sleep: waking them takes as long */
#define TEAM_AWAKE 2e-3     /* after a region in which its threads spin, if they do, */
#define TEAM_SPIN 0.02      /* and in which they may: then they sleep */
#define TEAM_LOOK 0.002     /* between looks at the system */
#define TEAM_TRUST 1.0      /* for which a busy system is believed before all threads are tried */
#define TEAM_TOLERATED 1e-3 /* that may be lost, */
#define TEAM_LONGEST 30.0   /* between two tries */
#define TEAM_SHARE 0.05     /* of all time may be lost as well */
#define TEAM_UNKNOWN INT_MIN
#define TEAM_KNOWN 64 /* threads of a team at most that the system is asked about */

static struct {
    double asked;   /* when team_size was, the last time */
    double ended;   /* when the last region did, */
    double took;    /* and how long all its threads took together, until the next is asked for */
    double looked;  /* when the system was asked last, */
    int idle;       /* and CPUs that it had for this thread and its others; TEAM_UNKNOWN */
    double again;   /* when all threads are to be tried; 0: whenever the system has CPUs for them */
    double pause;   /* that ends then, */
    int width;      /* and threads until then */
    double lost;    /* seconds lost, but for those that have been made up for, */
    double counted; /* until when */
    double wall;    /* of the last region */
    int others[TEAM_KNOWN]; /* the system's numbers of its threads but the first */
} team;
static int team_number; /* the system's, of this thread */
#pragma omp threadprivate(team, team_number)

/* CPUs of the system, or 0 if this thread may not run on all of them: what the system tells is not
about those that it may run on. */
static int team_cpus(void) {
#if defined(__linux__)
    static int online = 0; /* the same for all threads, whoever is the first to ask */
    int known = __atomic_load_n(&online, __ATOMIC_RELAXED);
    cpu_set_t mine;
    if (known == 0) {
        known = (int)sysconf(_SC_NPROCESSORS_ONLN);
        __atomic_store_n(&online, known, __ATOMIC_RELAXED);
    }
    if (sched_getaffinity(0, sizeof(mine), &mine) == 0 && CPU_COUNT(&mine) >= known)
        return known;
#endif
    return 0;
}

/* Tasks that run or wait for a CPU, this thread among them; 0 if the system does not tell. */
static int team_running(void) {
#if defined(__linux__)
    char text[128], *place = text; /* such as "0.20 0.18 0.12 1/80 11206" */
    ssize_t size;
    int k, file = open("/proc/loadavg", O_RDONLY | O_CLOEXEC);
    if (file < 0)
        return 0;
    size = read(file, text, sizeof(text) - 1);
    close(file);
    text[size > 0 ? size : 0] = 0;
    for (k = 0; k < 3 && place != NULL; k++) {
        place = strchr(place, ' ');
        place = place == NULL ? NULL : place + 1;
    }
    if (place != NULL)
        return atoi(place);
#endif
    return 0;
}

/* Whether one of this thread's others runs: no region is under way, so that it spins, until this
thread or another library that shares its OpenMP has work for it. */
static int team_spins(int number) {
#if defined(__linux__)
    char text[128], *end;
    ssize_t size;
    int file;
    snprintf(text, sizeof(text), "/proc/self/task/%d/stat", number);
    file = open(text, O_RDONLY | O_CLOEXEC);
    if (file < 0)
        return 0;
    size = read(file, text, sizeof(text) - 1);
    close(file);
    text[size > 0 ? size : 0] = 0;
    end = strrchr(text, ')'); /* such as "11206 (python) R 1 ..." */
    return end != NULL && end[1] == ' ' && end[2] == 'R';
#endif
    return 0;
}

/* Look how many CPUs there are for this thread and its others, as far as so many matter. */
static void team_look(double now, int threads) {
    int cpus = team_cpus(), running = team_running(), k;
    team.looked = now;
    team.idle = cpus > 0 && running > 0 ? cpus - (running - 1) : TEAM_UNKNOWN;
    for (k = 0; k < TEAM_KNOWN && team.idle != TEAM_UNKNOWN && team.idle < threads; k++)
        team.idle += team.others[k] != 0 && team_spins(team.others[k]);
}

static void team_know(int *number) {
#if defined(__linux__)
    if (team_number == 0)
        team_number = (int)syscall(SYS_gettid);
    *number = team_number;
#endif
}

/* Halves of a number until there is room for it: libgomp ends the threads that a smaller team
leaves over, so that the size should not follow each change. */
static int team_within(int threads, int room) {
    while (threads > 1 && threads > room)
        threads = (threads + 1) / 2;
    return threads;
}

/* A clock for what one thread would take. In doubt, or where regions are long anyway, it is that of this
thread, which stands still while others have its CPU; that takes longer to read. */
static double team_clock(int doubt) {
#if defined(__linux__)
    struct timespec time;
    if (doubt && clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time) == 0)
        return (double)time.tv_sec + 1e-9 * (double)time.tv_nsec;
#endif
    return omp_get_wtime();
}

/* Whether work is long enough for threads, which are woken for short work too if it comes again and
again. */
static int team_pays(double now, double seconds) {
    double before = team.asked;
    team.asked = now;
    team.took = HUGE_VAL;
    return seconds >= TEAM_WAKE || now - team.ended < TEAM_AWAKE || now - before < 4 * seconds;
}

/* How many threads, of as many as there may be, this thread is to use for work that takes it so
many seconds alone. */
static int team_size(int threads, double seconds) {
    double now;
    int hot;
    if (threads <= 1 || seconds < TEAM_WORTH)
        return 1;
    if (team_insists)
        return threads;
    now = omp_get_wtime();
    if (!team_pays(now, seconds))
        return 1;
    hot = now - team.ended < TEAM_SPIN;
    if (hot && now >= team.again)
        return threads;
    if (hot && team.width == 1) /* the last region's others may spin, and seem somebody else's */
        return 1;
    if (now - team.looked >= TEAM_LOOK)
        team_look(now, threads);
    if (team.idle == TEAM_UNKNOWN)
        return now < team.again && team.width < threads ? team.width : threads;
    if (team.idle >= threads) {
        team.again = 0;
        return threads;
    }
    if (team.again == 0) {
        team.again = now + TEAM_TRUST;
        team.pause = 0;
        team.width = threads;
    }
    if (now >= team.again)
        return threads;
    team.width = team_within(team.width, team.idle);
    return team.width < threads ? team.width : threads;
}

/* Note a region that this thread's share of the work took so much time of. */
static void team_ended(int threads, double start, double share) {
    double now = omp_get_wtime();
    double lost = (now - start) - threads * share; /* beyond what one would have taken */
    team.ended = now;
    team.took = threads * (now - start);
    team.wall = now - start;
    if (lost <= 0)
        return;
    team.lost -= TEAM_SHARE * (now - team.counted);
    team.lost = (team.lost > 0 ? team.lost : 0) + lost;
    team.counted = now;
    if (team.lost < TEAM_TOLERATED)
        return;
    /* longer than the last pause if that was in vain */
    team.pause = team.again > 0 && now - team.again < team.pause ? 2 * team.pause : 0;
    if (team.pause < team.lost / TEAM_SHARE)
        team.pause = team.lost / TEAM_SHARE;
    if (team.pause > TEAM_LONGEST)
        team.pause = TEAM_LONGEST;
    team.again = now + team.pause;
    team.lost = 0;
    team.width = threads / 2;
    team_look(now, threads);
    if (team.idle != TEAM_UNKNOWN)
        team.width = team_within(team.width, team.idle);
}

static double team_now(void) { return omp_get_wtime(); }

/* What the region took all its threads together: no less than it takes one. */
static double team_took(void) { return team.took; }

/* Run tasks, each thread as many of them that follow each other. */
static void team_run(TeamTask run, void *job, int tasks, int threads) {
    double start = omp_get_wtime();
    int doubt = team.again > 0 || team.wall > TEAM_TOLERATED;
    double share = doubt ? team_clock(1) : start;
    int *others = team.others;
#pragma omp parallel num_threads(threads)
    {
        int thread = omp_get_thread_num(), size = omp_get_num_threads();
        int each = tasks / size, more = tasks % size; /* the first threads have one more */
        int task = thread * each + (thread < more ? thread : more);
        int stop = task + each + (thread < more);
        if (thread > 0 && thread <= TEAM_KNOWN)
            team_know(&others[thread - 1]);
        for (; task < stop; task++)
            run(job, task, thread);
        if (thread == 0)
            share = team_clock(doubt) - share;
    }
    team_ended(threads, start, share);
}

#else
#define TEAM_WORTH 12e-6

static int team_size(int threads, double seconds) { return 1; }

static double team_now(void) { return 0; }

static double team_took(void) { return 0; }

static void team_run(TeamTask run, void *job, int tasks, int threads) {
    int task;
    for (task = 0; task < tasks; task++)
        run(job, task, 0);
}
#endif
