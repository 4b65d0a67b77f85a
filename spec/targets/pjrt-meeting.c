/*
 * A plugin that does nothing but what plugins do with the key-value callbacks when a client of several processes is made: it calls them from threads of
 * its own, one of which waits for what another puts. What came of it is the device's kind.
 */
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

typedef struct { int code; char text[600]; } Error;
typedef void *(*Failure)(int code, const char *message, size_t size);
typedef struct { size_t size; void *extension; const char *key; size_t key_size; int milliseconds; Failure *failure; void *arg; char *value; size_t value_size; void (*release)(char *); } Get;
typedef struct { size_t size; void *extension; const char *key; size_t key_size; Failure *failure; void *arg; char *value; size_t value_size; void (*release)(char *); } TryGet;
typedef struct { size_t size; void *extension; const char *key; size_t key_size; const char *value; size_t value_size; Failure *failure; void *arg; } Put;
typedef struct { size_t size; void *extension; const char *name; size_t name_size; int kind; int64_t value; size_t value_size; } Named;
typedef struct { size_t size; void *extension; const Named *options; size_t count; void *(*get)(Get *); void *get_arg; void *(*put)(Put *); void *put_arg; void *client; void *(*try_get)(TryGet *); void *try_arg; } Create;

static Create *made;
static int64_t node, nodes;
static char kind[4000];
static void *device;

static void *failed(int code, const char *message, size_t size) {
  Error *e = malloc(sizeof *e);
  e->code = code;
  snprintf(e->text, sizeof e->text, "%.*s", (int)size, message);
  return e;
}
static Failure failure = failed;

static Error *put(const char *key, const char *value, size_t size) {
  Put a = {sizeof a, NULL, key, strlen(key), value, size, &failure, made->put_arg};
  return made->put(&a);
}
static Error *get(const char *key, int milliseconds, char *to, size_t *size) {
  Get a = {sizeof a, NULL, key, strlen(key), milliseconds, &failure, made->get_arg, NULL, 0, NULL};
  Error *e = made->get(&a);
  if (e != NULL) return e;
  memcpy(to, a.value, a.value_size);
  *size = a.value_size;
  a.release(a.value);
  return NULL;
}
static Error *try_get(const char *key) {
  TryGet a = {sizeof a, NULL, key, strlen(key), &failure, made->try_arg, NULL, 0, NULL};
  Error *e = made->try_get(&a);
  if (e == NULL) a.release(a.value);
  return e;
}
static void say(const char *what, Error *e) {
  const size_t n = strlen(kind);
  snprintf(kind + n, sizeof kind - n, "%s %d;", what, e == NULL ? 0 : e->code);
}

/* puts late, when the other thread already waits */
static void *puts_late(void *none) {
  usleep(200000);
  char key[200], value[100000];
  memset(value, 'a' + (int)node, sizeof value);
  value[1] = 0;
  snprintf(key, sizeof key, "topology of node %d", (int)node);
  put(key, value, sizeof value);
  return none;
}
static void *gets_all(void *none) {
  for (int i = 0; i < nodes; i++) {
    char key[200], value[100001] = "";
    size_t size = 0;
    snprintf(key, sizeof key, "topology of node %d", i);
    Error *e = get(key, 20000, value, &size);
    const size_t n = strlen(kind);
    snprintf(kind + n, sizeof kind - n, "%c%c%zu %d;", value[0], value[99999], size, e == NULL ? 0 : e->code);
  }
  return none;
}

static void *create(Create *c) {
  pthread_t threads[2];
  made = c;
  for (size_t i = 0; i < c->count; i++) *(strcmp(c->options[i].name, "node_id") == 0 ? &node : &nodes) = c->options[i].value;
  pthread_create(&threads[0], NULL, gets_all, NULL);
  pthread_create(&threads[1], NULL, puts_late, NULL);
  for (int i = 0; i < 2; i++) pthread_join(threads[i], NULL);
  char key[9000], value[8];
  size_t size;
  memset(key, 'k', sizeof key - 1);
  key[sizeof key - 1] = 0;
  key[0] = '0' + (char)node;
  say("none", try_get(key));
  say("late", get(key, 60, value, &size));
  say("put", put(key, "", 0));
  say("there", try_get(key));
  say("empty", get(key, 0, value, &size));
  say("again", put(key, "other", 5));
  c->client = &made;
  return NULL;
}

static void *nothing(void *none) { (void)none; return NULL; }
static void *message(int64_t *a) { Error *e = (Error *)a[2]; a[3] = (int64_t)e->text; a[4] = (int64_t)strlen(e->text); return NULL; }
static void *code(int64_t *a) { a[3] = ((Error *)a[2])->code; return NULL; }
static void *name(int64_t *a) { a[3] = (int64_t) "cpu"; a[4] = 3; return NULL; }
static void *devices(int64_t *a) { a[3] = (int64_t)&device; a[4] = 1; return NULL; }
static void *kind_of(int64_t *a) { a[3] = (int64_t)kind; a[4] = (int64_t)strlen(kind); return NULL; }

static int64_t table[160];
int64_t *GetPjrtApi(void) {
  table[0] = sizeof table;
  ((int *)table)[8] = 0;
  ((int *)table)[9] = 100;
  int64_t *f = table + 5;
  for (int i = 0; i < 150; i++) f[i] = (int64_t)nothing;
  f[1] = (int64_t)message;
  f[2] = (int64_t)code;
  f[10] = (int64_t)create;
  f[12] = f[14] = (int64_t)name;
  f[16] = (int64_t)devices;
  f[26] = (int64_t)kind_of;
  return table;
}
