/* What can befall a run: SIGKILL at each operation on the disk, a disk that is full, a folder that cannot be
 * written, a checkpoint that lies, a loss that is not finite. Runs are in processes of their own. */
#include "support.h"

#include "base/file.h"
#include "base/random.h"
#include "cajal/cajal.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <sched.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

enum { ROWS = 150, COLUMNS = 12, CLASSES = 3, BATCH = 32, EPOCHS = 3, NOBODY = 65534 };

static cj_value network(cj_scope s, cj_value x, void *context)
{
    (void)context;
    x = cj_relu(cj_dense(cj_at(s, "hidden"), x, .units = 10));
    x = (cj_dropout)(cj_at(s, "dropout"), x, 0.1);
    return cj_dense(cj_at(s, "out"), x, .units = CLASSES);
}

/* Noise around a centre for each class; element `bad` is `value`, where it is not negative. */
static cj_status make_data(cj_dataset **data, int64_t bad, float value)
{
    static float x[ROWS * COLUMNS];
    static int32_t labels[ROWS];
    for (int i = 0; i < ROWS; i++) {
        labels[i] = (int32_t)(cj__bits(5, 0, (uint64_t)i) % CLASSES);
        for (int c = 0; c < COLUMNS; c++)
            x[i * COLUMNS + c] =
                cj__normal(6, (uint64_t)i, (uint64_t)c) + (c % CLASSES == labels[i] ? 1.5F : 0);
    }
    if (bad >= 0) x[bad] = value;
    return cj_dataset_from_tensors(data, &(cj_tensor){x, CJ_F32, cj_shape(ROWS, COLUMNS)},
                                   &(cj_tensor){labels, CJ_I32, cj_shape(ROWS)});
}

/* --- a run in a process of its own --------------------------------------------------------------------- */

typedef struct {
    const char *folder;
    bool resume;
    int64_t stop_at; /* updates; 0: runs to its end */
    int64_t kill_at; /* operation on the disk; 0: never */
    bool as_nobody;
    double learning_rate; /* 0: the usual one */
    int64_t bad;          /* element of the data that is NaN; 0: none */
} run;

typedef struct {
    cj_status status;
    int64_t operations; /* on the disk */
    char digest[65], message[600], note[256];
} outcome;

static int64_t operations, kill_at;

/* A write is done by half before the end comes. */
static int kill_at_operation(const char *operation, size_t *size)
{
    if (++operations != kill_at) return 0;
    if (strcmp(operation, "write") == 0 && *size > 1)
        *size /= 2, kill_at++;
    else
        raise(SIGKILL);
    return 0;
}

static cj_verdict watch(const cj_progress *p, void *context)
{
    const run *r = context;
    return r->stop_at && p->updates == r->stop_at && !p->epoch_done ? CJ_INTERRUPT : CJ_GO_ON;
}

static cj_verdict keep_note(const cj_progress *p, void *context)
{
    if (p->note) snprintf(context, 256, "%s", p->note);
    return CJ_GO_ON;
}

static cj_status train(const run *r, outcome *end)
{
    cj_model *model = NULL;
    cj_dataset *data = NULL;
    cj_status status = make_data(&data, r->bad ? r->bad : -1, (float)NAN);
    if (status == CJ_OK) status = cj_model_new(&model, .seed = 4);
    if (status == CJ_OK) {
        double rate = r->learning_rate > 0 ? r->learning_rate : 0.01;
        cj_fit_options o = {.size = sizeof o,
                            .model = model,
                            .forward = network,
                            .dataset = data,
                            .validation = 0.2,
                            .batch_size = BATCH,
                            .epochs = EPOCHS,
                            .optimizer = cj_adam(.learning_rate = rate),
                            .early_stopping = {.restore_best = true},
                            .checkpoints = {.every_steps = 2, .best = true},
                            .seed = 9,
                            .folder = r->folder,
                            .resume = r->resume,
                            .callbacks = {{watch, (void *)(uintptr_t)r}, {keep_note, end->note}}};
        if (r->learning_rate > 0) o.optimizer = cj_sgd(.learning_rate = rate);
        status = (cj_fit)(&o, NULL);
        cj_model_digest(model, end->digest);
    }
    if (status != CJ_OK) snprintf(end->message, sizeof end->message, "%s", cj_error_message());
    cj_model_free(model);
    cj_dataset_free(data);
    return status;
}

static void child(const run *r, int to)
{
    outcome end = {0};
    if (r->as_nobody && geteuid() == 0 && (setgid(NOBODY) != 0 || setuid(NOBODY) != 0)) _exit(1);
    operations = 0;
    kill_at = r->kill_at;
    cj__file_fault = kill_at_operation;
    end.status = train(r, &end);
    end.operations = operations;
    _exit(write(to, &end, sizeof end) == (ssize_t)sizeof end ? 0 : 1);
}

/* True when it came to its own end, whatever that was; false when it was killed. */
static bool carry_out(run r, outcome *end)
{
    int ends[2], status;
    fflush(NULL);
    assert_int_equal(pipe(ends), 0);
    pid_t process = fork();
    if (process == 0) child(&r, ends[1]);
    close(ends[1]);
    *end = (outcome){0};
    bool told = read(ends[0], end, sizeof *end) == (ssize_t)sizeof *end;
    close(ends[0]);
    assert_int_equal(waitpid(process, &status, 0), process);
    if (!told) assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
    return told;
}

static void expect_end(run r, cj_status wanted, outcome *end)
{
    assert_true(carry_out(r, end));
    if (end->status != wanted)
        fail_msg("\"%s\" (%s), expected \"%s\"", cj_status_name(end->status), end->message,
                 cj_status_name(wanted));
}

static int64_t count_files(const char *folder, const char *part)
{
    int64_t count = 0;
    DIR *dir = opendir(folder);
    for (const struct dirent *e; dir && (e = readdir(dir));) count += strstr(e->d_name, part) != NULL;
    if (dir) closedir(dir);
    return count;
}

/* --- killed -------------------------------------------------------------------------------------------- */

/* At every operation of every write, of checkpoints, weights and reports: then resumed, the weights are those
 * of a run never killed, and nothing half written is left behind. */
static void test_killed_at_each_operation(void **state)
{
    (void)state;
    outcome whole, end;
    char *folder = cj_test_new_folder();
    expect_end((run){.folder = folder}, CJ_OK, &whole);
    cj_test_remove_folder(folder);
    assert_true(whole.operations > 40);
    for (int64_t at = 1; at <= whole.operations; at++) {
        folder = cj_test_new_folder();
        bool ended = carry_out((run){.folder = folder, .kill_at = at}, &end);
        assert_false(ended);
        expect_end((run){.folder = folder, .resume = true}, CJ_OK, &end);
        if (strcmp(end.digest, whole.digest) != 0)
            fail_msg("killed at operation %lld: other weights", (long long)at);
        assert_int_equal(count_files(folder, ".tmp-"), 0);
        assert_int_equal(count_files(cj_test_path(folder, "checkpoints"), ".tmp-"), 0);
        cj_test_remove_folder(folder);
    }
    print_message("killed at each of %lld operations\n", (long long)whole.operations);
}

/* --- disks --------------------------------------------------------------------------------------------- */

static void give_to_nobody(const char *path)
{
    if (geteuid() == 0) assert_int_equal(chown(path, NOBODY, NOBODY), 0);
}

static void test_unwritable_folder(void **state)
{
    (void)state;
    outcome whole, end;
    char *folder = cj_test_new_folder();
    expect_end((run){.folder = NULL}, CJ_OK, &whole);
    give_to_nobody(folder);
    expect_end((run){.folder = folder, .stop_at = 5, .as_nobody = true}, CJ_INTERRUPTED, &end);
    const char *checkpoints = cj_test_path(folder, "checkpoints");
    int64_t before = count_files(checkpoints, "step-");
    assert_true(before > 0);
    assert_int_equal(chmod(checkpoints, 0555), 0);
    expect_end((run){.folder = folder, .resume = true, .as_nobody = true}, CJ_IO_ERROR, &end);
    assert_non_null(strstr(end.message, "Permission denied"));
    assert_non_null(strstr(end.message, checkpoints));
    assert_int_equal(count_files(checkpoints, "step-"), before);
    assert_int_equal(chmod(checkpoints, 0755), 0);
    expect_end((run){.folder = folder, .resume = true, .as_nobody = true}, CJ_OK, &end);
    assert_string_equal(end.digest, whole.digest);
    cj_test_remove_folder(folder);
}

static bool fill(const char *path)
{
    static char block[4096];
    int file = open(path, O_WRONLY | O_CREAT | O_EXCL, 0600);
    while (file >= 0 && write(file, block, sizeof block) > 0) continue;
    bool full = file >= 0 && errno == ENOSPC;
    if (file >= 0) close(file);
    return full;
}

/* In a child, whose mounts are its own: 0, or the number of the first thing that was not as it should be. */
static int on_full_disk(const char *folder, const char *whole)
{
    outcome end = {0};
    char filler[4096];
    snprintf(filler, sizeof filler, "%s/filler", folder);
    if (unshare(CLONE_NEWNS) != 0 && unshare(CLONE_NEWUSER | CLONE_NEWNS) != 0) return 77;
    if (mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0) return 77;
    if (mount("tmpfs", folder, "tmpfs", 0, "size=1m") != 0) return 77;
    if (train(&(run){.folder = folder, .stop_at = 5}, &end) != CJ_INTERRUPTED) return 1;
    if (!fill(filler)) return 2;
    if (train(&(run){.folder = folder, .resume = true}, &end) != CJ_IO_ERROR) return 3;
    if (!strstr(end.message, "No space left")) return 4;
    if (unlink(filler) != 0) return 5;
    if (train(&(run){.folder = folder, .resume = true}, &end) != CJ_OK) return 6;
    if (!strstr(end.note, "resumed after epoch")) return 7;
    return strcmp(end.digest, whole) == 0 ? 0 : 8;
}

static void test_full_disk(void **state)
{
    (void)state;
    outcome whole;
    int status;
    char *folder = cj_test_new_folder();
    expect_end((run){.folder = NULL}, CJ_OK, &whole);
    fflush(NULL);
    pid_t process = fork();
    if (process == 0) _exit(on_full_disk(folder, whole.digest));
    assert_int_equal(waitpid(process, &status, 0), process);
    cj_test_remove_folder(folder);
    assert_true(WIFEXITED(status));
    if (WEXITSTATUS(status) == 77) skip_because("no small file system can be mounted here");
    assert_int_equal(WEXITSTATUS(status), 0);
}

/* --- a checkpoint that lies ---------------------------------------------------------------------------- */

/* The text with the first `from` replaced by `to`; freed by the caller. */
static char *replaced(const char *text, const char *from, const char *to)
{
    char *result = NULL;
    const char *at = strstr(text, from);
    assert_non_null(at);
    assert_true(asprintf(&result, "%.*s%s%s", (int)(at - text), text, to, at + strlen(from)) > 0);
    return result;
}

/* Writes the checkpoint again, whole and with its checksum, but with another state. */
static void forge(const char *path, const char *from, const char *to)
{
    cj_tensor_file *file;
    cj_named_tensor tensors[64];
    expect_ok(cj_tensor_file_open(&file, path));
    int64_t count = cj_tensor_file_count(file);
    assert_true(count <= 64);
    for (int64_t i = 0; i < count; i++) {
        tensors[i].name = cj_tensor_file_name(file, i);
        expect_ok(cj_tensor_file_tensor(file, i, &tensors[i].tensor));
    }
    char *state = replaced(cj_tensor_file_metadata(file, "cajal.state"), from, to);
    cj_metadata metadata[] = {{"cajal.state", state}};
    expect_ok((cj_save_tensors)(&(cj_save_tensors_options){.size = sizeof(cj_save_tensors_options),
                                                           .path = path,
                                                           .tensors = tensors,
                                                           .count = count,
                                                           .metadata = metadata,
                                                           .metadata_count = 1}));
    cj_tensor_file_close(file);
    free(state);
}

static void test_forged_checkpoints(void **state)
{
    (void)state;
    static const struct {
        const char *from, *to, *sentence;
    } forgeries[] = {
        {"\"history\":", "\"story\":", "1 epochs were finished, but there are figures of 0"},
        {"\"whole\":[1,", "\"whole\":[7,", "7 epochs were finished, but there are figures of 1"},
        {"\"whole\":[1,2,", "\"whole\":[1,9007199254740993,", "its state: byte"},
        {"\"whole\":[1,2,", "\"whole\":[1,5,", "found step 5 and best epoch 1, expected a step up to 4"},
        {"\"whole\":[1,2,", "\"whole\":[1,-2,", "expected 10 whole numbers from 0 on"},
        {"\"history\":[[", "\"history\":[[1,1,1e300,1,1,1,1,1],[", "8 figures an epoch, two of them counts"},
        {"\"isa\":\"", "\"isa\":7,\"other\":\"", "found '7', expected a string"},
    };
    outcome whole, end;
    expect_end((run){.folder = NULL}, CJ_OK, &whole);
    for (size_t i = 0; i < sizeof forgeries / sizeof *forgeries; i++) {
        char *folder = cj_test_new_folder();
        expect_end((run){.folder = folder, .stop_at = 6}, CJ_INTERRUPTED, &end);
        forge(cj_test_path(folder, "checkpoints/step-000000006.safetensors"), forgeries[i].from,
              forgeries[i].to);
        expect_end((run){.folder = folder, .resume = true}, CJ_OK, &end);
        if (!strstr(end.note, "passed over a damaged checkpoint") || !strstr(end.note, forgeries[i].sentence))
            fail_msg("the note is \"%s\" and lacks \"%s\"", end.note, forgeries[i].sentence);
        assert_string_equal(end.digest, whole.digest);
        cj_test_remove_folder(folder);
    }
}

/* --- not finite ---------------------------------------------------------------------------------------- */

/* The sentence says which step it was, what went wrong first, and what to try. */
static void test_not_finite(void **state)
{
    (void)state;
    outcome end;
    expect_end((run){.bad = 17}, CJ_NOT_FINITE, &end);
    assert_non_null(strstr(end.message, "epoch 1, step "));
    assert_non_null(strstr(end.message, "input 'x' is not: its element "));
    assert_non_null(strstr(end.message, "is nan"));
    assert_non_null(strstr(end.message, "Look for bad values in the data"));
    expect_end((run){.learning_rate = 1e30}, CJ_NOT_FINITE, &end);
    assert_non_null(strstr(end.message, "epoch 1, step 2: "));
    assert_non_null(strstr(end.message, "The first that went wrong is "));
    assert_non_null(strstr(end.message, "test_fit_faults.c:"));
    assert_non_null(strstr(end.message, "try a smaller learning rate"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_killed_at_each_operation),
        cmocka_unit_test(test_unwritable_folder),
        cmocka_unit_test(test_full_disk),
        cmocka_unit_test(test_forged_checkpoints),
        cmocka_unit_test(test_not_finite),
    };
    return cmocka_run_group_tests_name("fit_faults", tests, NULL, NULL);
}
