/* What the C blocks of the pages stand on; not installed. */
#include <ssugraph/ssugraph.h>

#include <stdio.h>
#include <stdlib.h>

#define CHECK(call) \
  if ((call) != SSUGRAPH_STATUS_SUCCESS) exit(fprintf(stderr, "%s\n", ssugraph_last_error()))

extern const int32_t buckets[];
extern const size_t bucket_count;
extern int32_t batch;
extern ssugraph_ssu_args args;
extern ssugraph_pipeline* pipeline;
extern ssugraph_lane* lane;
extern struct CUstream_st* stream;
