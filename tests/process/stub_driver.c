/* What stands in for libcuda.so.1: a driver that no CUDA runtime gets to work with, in a way that
 * is chosen by SSUGRAPH_STUB_VERSION (13000 is 13.0) and SSUGRAPH_STUB_INIT (what cuInit returns).
 * As the real one, it cannot be used in a child whose parent did. */

#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { SUCCESS = 0, NOT_INITIALIZED = 3, UNKNOWN = 999 };

static pid_t user = 0; /* who initialised it */

static int number(const char* name, int otherwise) {
  const char* text = getenv(name);
  return text != NULL ? atoi(text) : otherwise;
}

int cuInit(unsigned flags) {
  (void)flags;
  if (user != 0 && user != getpid()) return NOT_INITIALIZED;
  const int code = number("SSUGRAPH_STUB_INIT", SUCCESS);
  if (code == SUCCESS) user = getpid();
  return code;
}

int cuDriverGetVersion(int* version) {
  *version = number("SSUGRAPH_STUB_VERSION", 13000);
  return SUCCESS;
}

int cuDeviceGetCount(int* count) {
  *count = 1;
  return user == getpid() ? SUCCESS : NOT_INITIALIZED;
}

int cuGetExportTable(const void** table, const void* id) {
  (void)id;
  *table = NULL;
  return UNKNOWN;
}

static int fails(void) {
  return UNKNOWN;
}

int cuGetProcAddress_v2(const char* name, void** function, int version, uint64_t flags,
                        int* found) {
  (void)version;
  (void)flags;
  const struct {
    const char* name;
    void* function;
  } known[] = {{"cuInit", (void*)cuInit},
               {"cuDriverGetVersion", (void*)cuDriverGetVersion},
               {"cuDeviceGetCount", (void*)cuDeviceGetCount},
               {"cuGetExportTable", (void*)cuGetExportTable},
               {"cuGetProcAddress", (void*)cuGetProcAddress_v2}};
  if (found != NULL) *found = 0;
  *function = (void*)fails;
  for (size_t i = 0; i < sizeof known / sizeof known[0]; ++i)
    if (strcmp(name, known[i].name) == 0) *function = known[i].function;
  return SUCCESS;
}
