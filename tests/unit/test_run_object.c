/*
 * Pairs that are made ahead and closed later: nothing is lost of them, and nothing stays.
 */
#include "host/alloc.h"
#include "host/clock.h"
#include "run/runner.h"

#include <naru/sock.h>

#include <dirent.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

/* Our own descriptors, but for the one that looks. */
static unsigned descriptors(void)
{
    unsigned count = 0;
    DIR *dir = opendir("/proc/self/fd");
    assert_non_null(dir);
    while (readdir(dir) != NULL)
        count++;
    closedir(dir);
    return count;
}

struct fixture {
    struct naru_loop *loop;
    struct naru_stack *stack;
    struct naru_runner runner;
    unsigned before;
};

static void begin(struct fixture *f)
{
    struct naru_config config;
    naru_config_init(&config);
    config.alloc = naru_alloc_malloc();
    naru_seed_from_number(1, config.seed);
    f->before = descriptors();
    assert_int_equal(naru_loop_new(&f->loop), 0);
    assert_int_equal(naru_stack_new(&config, naru_clock_now(), &f->stack), NARU_OK);
    assert_int_equal(naru_runner_init(&f->runner, f->loop, f->stack), 0);
}

static void end(struct fixture *f)
{
    naru_runner_deinit(&f->runner);
    naru_loop_free(f->loop);
    naru_stack_free(f->stack);
    assert_int_equal(descriptors(), f->before);
}

static struct naru_object *stream(struct fixture *f, int *program_end)
{
    struct naru_sock *sock;
    struct naru_object *object;
    struct stat st;
    assert_int_equal(naru_sock_new(f->stack, NARU_IPV4, NARU_SOCK_STREAM, &sock), NARU_OK);
    assert_int_equal(naru_object_new(&f->runner, sock, NARU_IPV4, NARU_SOCK_STREAM, IPPROTO_TCP,
                                     &object, program_end),
                     0);
    assert_int_equal(fstat(*program_end, &st), 0);
    assert_ptr_equal(naru_object_find(&f->runner.objects, st.st_ino), object);
    assert_int_equal(object->phase, NARU_PHASE_FRESH);
    return object;
}

/* Used as a stream is, and closed by the program. */
static void used_up(struct fixture *f)
{
    int fd;
    struct naru_object *object = stream(f, &fd);
    close(fd);
    object->stream.hung_up = true;
    naru_object_end(object, naru_clock_now());
}

static void test_without_spare_time(void **state)
{
    struct fixture f;
    (void)state;
    begin(&f);
    for (unsigned i = 0; i < 2 * NARU_OBJECT_ENDED_MAX; i++)
        used_up(&f);
    assert_in_range(descriptors(), f.before, f.before + 100);
    assert_int_equal(naru_loop_turn(f.loop, naru_clock_now() + NARU_MS(1)), 0);
    end(&f);
}

static void test_with_spare_time(void **state)
{
    struct fixture f;
    unsigned at_rest = 0;
    (void)state;
    begin(&f);
    for (unsigned i = 0; i < 100; i++) {
        used_up(&f);
        /* The stock is filled up, the pair is closed, and the loop sleeps. */
        assert_int_equal(naru_loop_turn(f.loop, naru_clock_now() + NARU_MS(1)), 0);
        assert_null(f.runner.objects.stock.idle.loop);
        assert_true(i == 0 || descriptors() == at_rest);
        at_rest = descriptors();
    }
    end(&f);
}

static void test_what_is_made_ahead_works(void **state)
{
    struct fixture f;
    int fd[8];
    (void)state;
    begin(&f);
    used_up(&f);
    assert_int_equal(naru_loop_turn(f.loop, naru_clock_now() + NARU_MS(1)), 0);
    for (unsigned i = 0; i < 8; i++) { /* more than there are */
        struct naru_object *object = stream(&f, &fd[i]);
        char byte = (char)i;
        assert_int_equal(write(fd[i], &byte, 1), 1);
        assert_int_equal(naru_loop_turn(f.loop, naru_clock_now()), 0);
        assert_true((object->early_events & EPOLLIN) != 0);
        assert_int_equal(read(object->watch.fd, &byte, 1), 1);
        assert_int_equal(byte, i);
    }
    for (unsigned i = 0; i < 8; i++)
        close(fd[i]);
    end(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_without_spare_time),
        cmocka_unit_test(test_with_spare_time),
        cmocka_unit_test(test_what_is_made_ahead_works),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
