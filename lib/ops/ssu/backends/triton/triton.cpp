#include "lib/ops/ssu/backends/triton/triton.hpp"

#include "lib/core/cuda_check.hpp"
#include "lib/core/device.hpp"
#include "lib/core/launch_limits.hpp"
#include "lib/device/octet.hpp"
#include "lib/ops/ssu/backends/ssu_kernel.hpp"
#include "lib/ops/ssu/backends/triton/image.hpp"
#include "lib/ops/ssu/backends/triton/selection.hpp"
#include "ssugraph_triton/arguments.hpp"

#include <ssugraph/error.hpp>

#include <algorithm>
#include <mutex>
#include <set>
#include <utility>

namespace ssugraph::detail::triton {
namespace {

// What kernel/memory.py calls ABSENT, and kernel/sequence.py ABSENT_INDEX, INT32 and INT64.
constexpr std::int32_t absent_float = 3;
constexpr std::int32_t absent_index = 0;
constexpr std::int32_t narrow_index = 1;
constexpr std::int32_t wide_index = 2;

constexpr std::int32_t number_of(dtype type) {
  return static_cast<std::int32_t>(type);
}
static_assert(
    number_of(dtype::float32) == 0 && number_of(dtype::float16) == 1 &&
        number_of(dtype::bfloat16) == 2,
    "kernel/memory.py knows floating dtypes by these numbers, and 3 for an absent tensor");

// --- What the device runs ------------------------------------------------------------------------

std::string architectures() {
  std::set<int> distinct;
  for (const triton_image& image : triton_images())
    distinct.insert(image.architecture);
  std::string list;
  for (const int architecture : distinct)
    list += (list.empty() ? "" : ";") + std::to_string(architecture);
  return list;
}

/** Why no image serves `problem` on a device of `capability`. */
std::string why_none(const ssu_problem& problem, int capability) {
  const bool has_architecture = std::ranges::any_of(
      triton_images(), [&](const auto& image) { return runs_on(image.architecture, capability); });
  if (!has_architecture) {
    return "no image runs on compute capability " + std::to_string(capability / 10) + "." +
           std::to_string(capability % 10) + ": build with -DSSUGRAPH_TRITON_ARCHITECTURES=\"" +
           architectures() + ";" + std::to_string(capability) + "\"";
  }
  return "it is outside the manifest, to which this line would add it: " + manifest_line(problem);
}

std::vector<const triton_image*> images_of(const ssu_problem& problem) {
  return select_images(triton_images(), problem, compute_capability(problem.device));
}

/** Throws unsupported. */
const triton_image& find_image(const ssu_problem& problem, const std::string& algorithm) {
  const auto images = images_of(problem);
  std::string names;
  for (const triton_image* image : images) {
    if (tile_name(*image) == algorithm) return *image;
    names += ", " + tile_name(*image);
  }
  throw unsupported{{{"triton", "algorithm '" + algorithm + "' is none of auto" + names}}};
}

// --- Loading -------------------------------------------------------------------------------------

/** The kernels in use. Never unloaded: executables of CUDA graphs may hold them to the end. */
class loaded_kernels {
 public:
  const void* load(const triton_image& image) {
    const std::lock_guard lock{mutex_};
    const auto index = static_cast<std::size_t>(&image - triton_images().data());
    if (kernels_[index] == nullptr) {
      cudaLibrary_t library = nullptr;
      check_cuda(cudaLibraryLoadData(&library, fatbin_of(image).data(), nullptr, nullptr, 0,
                                     nullptr, nullptr, 0),
                 "cudaLibraryLoadData of a Triton image");
      check_cuda(cudaLibraryGetKernel(&kernels_[index], library, triton_symbol),
                 "cudaLibraryGetKernel of a Triton image");
    }
    return kernels_[index];
  }

 private:
  std::mutex mutex_;
  std::vector<cudaKernel_t> kernels_ = std::vector<cudaKernel_t>(triton_images().size());
};

/** Thread-safe. */
const void* loaded_kernel(const triton_image& image) {
  static loaded_kernels& kernels = *new loaded_kernels;  // never destroyed: calls may come later
  return kernels.load(image);
}

// --- Lowering ------------------------------------------------------------------------------------

std::int32_t float_type(const tensor_view& tensor) {
  return tensor ? number_of(tensor.dtype()) : absent_float;
}

std::int32_t index_kind(const tensor_view& tensor) {
  if (!tensor) return absent_index;
  return tensor.dtype() == dtype::int64 ? wide_index : narrow_index;
}

std::int64_t stride(const tensor_view& tensor, int axis) {
  return axis < tensor.rank() ? tensor.stride(axis) : 0;
}

std::int64_t tiles_of(std::int64_t dim, std::int64_t rows) {
  return (dim + rows - 1) / rows;
}

ssu_plan make_plan(const ssu_problem& problem, std::int64_t sequences, const triton_image& image,
                   std::string reason) {
  ssu_plan plan;
  plan.backend = "triton";
  plan.algorithm = tile_name(image);
  plan.reason = std::move(reason);
  plan.sequences = sequences;
  plan.tile = {.rows = image.rows,
               .lanes = image.dstate / octet_size,
               .threads = image.warps * warp_threads};
  plan.grid = {sequences, problem.nheads, tiles_of(problem.dim, image.rows)};
  plan.problem = problem;
  if (!image.vector) {
    const std::string reason = why_no_vectors(problem);
    plan.notes.push_back("no 16-byte accesses: " + (reason.empty()
                                                        ? "the manifest has no such image"
                                                        : "planned where " + reason));
  }
  if (image.rounding) plan.notes.emplace_back("takes the same random bits as native");
  return plan;
}

/** One launch of one of the images. */
class triton_ssu final : public ssu_kernel {
 public:
  triton_ssu(const ssu_problem& problem, std::int64_t sequences, const triton_image& image,
             std::string reason)
      : ssu_kernel{make_plan(problem, sequences, image, std::move(reason)), false}, image_{image} {}

  [[nodiscard]] std::string why_not(const ssu_problem& problem) const override {
    return why_no_access(image_, problem);
  }

 private:
  [[nodiscard]] const void* kernel() const override { return loaded_kernel(image_); }
  [[nodiscard]] kernel_launch lower(const ssu_args& args,
                                    const launch_context& context) const override;

  const triton_image& image_;
};

kernel_launch triton_ssu::lower(const ssu_args& args, const launch_context& context) const {
  const ssu_problem& problem = plan().problem;
  const triton_arguments arguments{
      .state = args.state.data(),
      .x = args.x.data(),
      .dt = args.dt.data(),
      .z = args.z.data(),
      .out = args.out.data(),
      .A = args.A.data(),
      .B = args.B.data(),
      .C = args.C.data(),
      .D = args.D.data(),
      .dt_bias = args.dt_bias.data(),
      .state_batch_indices = args.state_batch_indices.data(),
      .dst_state_batch_indices = args.dst_state_batch_indices.data(),
      .num_accepted_tokens = args.num_accepted_tokens.data(),
      .cu_seqlens = args.cu_seqlens.data(),
      .rand_seed = args.rand_seed.data(),
      .state_stride_0 = stride(args.state, 0),
      .state_stride_1 = stride(args.state, 1),
      .state_stride_2 = stride(args.state, 2),
      .state_stride_3 = stride(args.state, 3),
      .x_stride_0 = stride(args.x, 0),
      .x_stride_1 = stride(args.x, 1),
      .x_stride_2 = stride(args.x, 2),
      .dt_stride_0 = stride(args.dt, 0),
      .dt_stride_1 = stride(args.dt, 1),
      .dt_stride_2 = stride(args.dt, 2),
      .z_stride_0 = stride(args.z, 0),
      .z_stride_1 = stride(args.z, 1),
      .z_stride_2 = stride(args.z, 2),
      .out_stride_0 = stride(args.out, 0),
      .out_stride_1 = stride(args.out, 1),
      .out_stride_2 = stride(args.out, 2),
      .A_stride_0 = stride(args.A, 0),
      .A_stride_1 = stride(args.A, 1),
      .A_stride_2 = stride(args.A, 2),
      .B_stride_0 = stride(args.B, 0),
      .B_stride_1 = stride(args.B, 1),
      .B_stride_2 = stride(args.B, 2),
      .C_stride_0 = stride(args.C, 0),
      .C_stride_1 = stride(args.C, 1),
      .C_stride_2 = stride(args.C, 2),
      .D_stride_0 = stride(args.D, 0),
      .D_stride_1 = stride(args.D, 1),
      .dt_bias_stride_0 = stride(args.dt_bias, 0),
      .dt_bias_stride_1 = stride(args.dt_bias, 1),
      .index_stride_0 = stride(args.state_batch_indices, 0),
      .index_stride_1 = stride(args.state_batch_indices, 1),
      .dst_stride_0 = stride(args.dst_state_batch_indices, 0),
      .dst_stride_1 = stride(args.dst_state_batch_indices, 1),
      .accepted_stride_0 = stride(args.num_accepted_tokens, 0),
      .cu_seqlens_stride_0 = stride(args.cu_seqlens, 0),
      .drawn_seed = context.drawn_seed,
      .slots = args.state.extent(0),
      .rows = args.x.extent(0),
      .max_seqlen = problem.max_seqlen,
      .null_block_id = problem.null_block_id,
      .dim = static_cast<std::int32_t>(problem.dim),
      .dstate = static_cast<std::int32_t>(problem.dstate),
      .heads_per_group = static_cast<std::int32_t>(problem.nheads / problem.ngroups),
      .philox_rounds = problem.philox_rounds,
      .io_type = float_type(args.x),
      .dt_type = float_type(args.dt),
      .A_type = float_type(args.A),
      .D_type = float_type(args.D),
      .dt_bias_type = float_type(args.dt_bias),
      .index_kind = index_kind(args.state_batch_indices),
      .dst_kind = index_kind(args.dst_state_batch_indices),
      .accepted_kind = index_kind(args.num_accepted_tokens),
      .cu_seqlens_kind = index_kind(args.cu_seqlens),
      .has_rand_seed = static_cast<bool>(args.rand_seed),
      .has_z = static_cast<bool>(args.z),
      .dt_softplus = problem.dt_softplus,
      .reads_ahead = context.state_ahead,
  };
  const dim3 grid{static_cast<unsigned>(plan().grid[0]), static_cast<unsigned>(plan().grid[1]),
                  static_cast<unsigned>(plan().grid[2])};
  kernel_launch launch =
      triton_launch(kernel(), grid, dim3{static_cast<unsigned>(plan().tile.threads)}, arguments);
  launch.set_shared_bytes(image_.shared_bytes);
  return launch;
}

}  // namespace

std::string triton_backend::name() const {
  return "triton";
}

backend_features triton_backend::features() const {
  return features_of_0_1();
}

support triton_backend::serves(const ssu_problem& problem) const {
  if (problem.device.is_host()) return {"it runs on CUDA and the tensors live in host memory"};
  if (problem.nheads > max_grid_yz) return {"more than 65535 heads"};
  try {
    const auto images = images_of(problem);
    if (images.empty()) return {why_none(problem, compute_capability(problem.device))};
    const bool tall = std::ranges::any_of(images, [&](const triton_image* image) {
      return tiles_of(problem.dim, image->rows) > max_grid_yz;
    });
    if (tall) return {"dim needs more than 65535 tiles"};
  } catch (const cuda_error& error) {
    return {std::string{"its device does not answer: "} + error.what()};
  }
  return {};
}

std::shared_ptr<planned_ssu> triton_backend::resolve(const ssu_problem& problem,
                                                     std::int64_t sequences,
                                                     const std::string& algorithm) const {
  if (const support answer = serves(problem); !answer) {
    throw unsupported{{{name(), answer.why_not}}};
  }
  if (sequences > max_grid_x) throw unsupported{{{name(), "more than 2^31 - 1 sequences"}}};
  if (algorithm != "auto") {
    return std::make_shared<triton_ssu>(problem, sequences, find_image(problem, algorithm),
                                        "as asked");
  }
  const tile_choice choice = choose_tile(images_of(problem), problem, sequences);
  return std::make_shared<triton_ssu>(problem, sequences, *choice.image, choice.reason);
}

std::vector<ssu_plan> triton_backend::candidates(const ssu_problem& problem,
                                                 std::int64_t sequences) const {
  std::vector<ssu_plan> plans;
  for (const triton_image* image : images_of(problem)) {
    plans.push_back(make_plan(problem, sequences, *image, "as asked"));
  }
  return plans;
}

}  // namespace ssugraph::detail::triton
