// What fragments of code in pages and headers take for given; see check_pages.py.
#include <ssugraph/ssugraph.hpp>

#include <algorithm>
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
extern std::int32_t *live, *indices, *bounds, *accepted;
extern void *x_ring, *B_ring, *dt_ring, *cursors, *plans, *ring_start, *prev_num_accepted;
extern std::size_t i;
extern int rank, ranks;
extern std::int64_t null_block_id;
extern tensor_view started_slots, positions;
extern std::vector<tensor_view> prefilled, states;
extern stream_handle stream;
extern ssu_args args, mixer0, mixer1;
extern pipeline_builder builder;
extern const ssugraph::pipeline pipeline;
extern ssugraph::lane lane;
extern std::vector<binding> bindings;
extern staging_ring ring;

/** Memory of the reader's engine. */
void* my_pool(std::size_t bytes);
/** The batch that the reader's engine serves next. */
std::int32_t next_batch(stream_handle stream);
/** What the reader's engine runs between two layers. */
void enqueue_gemms(std::int64_t rows, stream_handle stream);

}  // namespace page
