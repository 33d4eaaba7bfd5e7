// What fragments of code in the pages take for given; see check_pages.py.
#include <ssugraph/ssugraph.hpp>

#include <cstdint>
#include <cstdio>
#include <cstring>
#include <memory>
#include <span>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#if __has_include(<cuda_runtime_api.h>)
#include <cuda_runtime_api.h>
#endif

#if __has_include(<nccl.h>)
#include <nccl.h>
#else
using ncclComm_t = struct ncclComm*;
enum ncclDataType_t { ncclBfloat16 };
enum ncclRedOp_t { ncclSum };
enum ncclResult_t { ncclSuccess };
ncclResult_t ncclAllReduce(const void*, void*, std::size_t, ncclDataType_t, ncclRedOp_t, ncclComm_t,
                           CUstream_st*);
#endif

namespace page {

using namespace ssugraph;

/** A layer of the reader's model. */
struct model_layer {
  std::string name;
  void* state;
  void* conv_row;
  void* out;
};

extern std::vector<model_layer> layers;
extern std::int64_t slots, nheads, dim, dstate, ngroups, row;
extern std::int32_t batch, bucket;
extern std::int32_t *live, *indices;
extern std::size_t i;
extern int rank, ranks;
extern stream_handle stream;
extern ssu_args args;
extern pipeline_builder builder;
extern const ssugraph::pipeline pipeline;
extern ssugraph::lane lane;
extern std::vector<binding> bindings;

}  // namespace page
