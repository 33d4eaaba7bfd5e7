#include "lib/ops/ssu/backends/flashinfer/flashinfer.hpp"

#include "lib/core/cuda_context.hpp"
#include "lib/core/cuda_handle.hpp"
#include "lib/core/device.hpp"
#include "lib/ops/ssu/backends/flashinfer/limits.hpp"
#include "lib/ops/ssu/backends/flashinfer/null_rows.hpp"
#include "lib/ops/ssu/backends/flashinfer/plan.hpp"
#include "lib/ops/ssu/problem/problem.hpp"

#include <ssugraph/error.hpp>

#include <algorithm>
#include <optional>
#include <utility>

namespace ssugraph::detail::flashinfer {
namespace {

const flashinfer_specialization* find_specialization(const flashinfer_shape& shape) {
  const auto all = flashinfer_specializations();
  const auto found = std::ranges::find(all, shape, &flashinfer_specialization::shape);
  return found == all.end() ? nullptr : &*found;
}

std::string not_compiled(const flashinfer_shape& shape) {
  return "this shape was not compiled; add the line '" + to_string(shape) +
         "' to the list that SSUGRAPH_FLASHINFER_SHAPES names, and build again";
}

flashinfer_device device_for(const ssu_problem& problem) {
  return {.multiprocessors = multiprocessors_of(problem),
          .major = compute_capability(problem.device) / 10};
}

/** Why a device cannot run what was compiled; empty if it can. */
std::string why_no_image(device where) {
  try {
    const device_guard guard{where.ordinal};
    const relaxed_capture relaxed;
    load_null_rows();
    return {};
  } catch (const cuda_error& error) {
    return std::string{"its kernels, compiled for 9.0 and later, do not load: "} + error.what();
  }
}

/** The stride of an axis of one element may be anything; FlashInfer's checks want none. */
flashinfer_rows rows_of(const tensor_view& tensor) {
  if (!tensor) return {};
  return {.data = tensor.data(), .stride = tensor.extent(0) > 1 ? tensor.stride(0) : 0};
}

/** A tensor map wants a stride for the slots even if there is but one. */
flashinfer_rows slots_of(const tensor_view& state) {
  const std::int64_t dense = state.extent(1) * state.extent(2) * state.extent(3);
  return {.data = state.data(), .stride = state.extent(0) > 1 ? state.stride(0) : dense};
}

/** Only speculative calls read and write by token; the others take column 0. */
flashinfer_slots indices_of(const tensor_view& indices, ssu_mode mode) {
  if (!indices) return {};
  const bool by_token = mode == ssu_mode::speculative;
  return {.data = indices.data(),
          .sequence_stride = indices.stride(0),
          .token_stride = by_token ? indices.stride(1) : 0};
}

/** Without destinations FlashInfer keeps the last state only, where speculation wants all. */
flashinfer_slots destinations_of(const ssu_args& args, ssu_mode mode) {
  const bool in_place = mode == ssu_mode::speculative && !args.dst_state_batch_indices;
  return indices_of(in_place ? args.state_batch_indices : args.dst_state_batch_indices, mode);
}

std::int32_t pad_slot_of(const ssu_problem& problem) {
  return problem.has_indices && std::in_range<std::int32_t>(problem.null_block_id)
             ? static_cast<std::int32_t>(problem.null_block_id)
             : static_cast<std::int32_t>(no_slot);
}

/** FlashInfer takes no strides of these, and a problem cannot tell 1 from what it ignores. */
void check_contiguous(const char* name, const tensor_view& counts) {
  if (!counts || counts.extent(0) < 2 || counts.stride(0) == 1) return;
  throw unsupported{{{flashinfer_name, std::string{name} + " is not contiguous"}}};
}

flashinfer_call lowered(const ssu_problem& problem, flashinfer_algorithm algorithm,
                        const ssu_args& args, std::int64_t sequences) {
  return {
      .algorithm = algorithm,
      .many_tokens = takes_many_tokens(problem),
      .sequences = static_cast<std::uint32_t>(sequences),
      .nheads = static_cast<std::uint32_t>(problem.nheads),
      .ngroups = static_cast<std::uint32_t>(problem.ngroups),
      .slots = static_cast<std::uint32_t>(args.state.extent(0)),
      .pad_slot_id = pad_slot_of(problem),
      .dt_softplus = problem.dt_softplus,
      .state = slots_of(args.state),
      .state_scale = rows_of(args.state_scale),
      .x = rows_of(args.x),
      .dt = rows_of(args.dt),
      .z = rows_of(args.z),
      .B = rows_of(args.B),
      .C = rows_of(args.C),
      .out = rows_of(args.out),
      .A = args.A.data(),
      .D = args.D.data(),
      .dt_bias = args.dt_bias.data(),
      .indices = indices_of(args.state_batch_indices, problem.mode),
      .dst_indices = destinations_of(args, problem.mode),
      .accepted = args.num_accepted_tokens.data(),
      .cu_seqlens = args.cu_seqlens.data(),
      .rand_seed = static_cast<const std::int64_t*>(args.rand_seed.data()),
  };
}

/** A seed in device memory, freed in stream order. */
class device_seed {
 public:
  device_seed(std::int64_t seed, stream_handle stream) : stream_{stream} {
    void* memory = nullptr;
    check_cuda(cudaMallocAsync(&memory, sizeof seed, stream), "cudaMallocAsync of a seed");
    address_ = static_cast<std::int64_t*>(memory);
    enqueue_seed(address_, seed, stream);
  }
  device_seed(const device_seed&) = delete;
  device_seed& operator=(const device_seed&) = delete;
  ~device_seed() {
    if (cudaFreeAsync(address_, stream_) != cudaSuccess) cudaGetLastError();
  }

  [[nodiscard]] const std::int64_t* address() const noexcept { return address_; }

 private:
  stream_handle stream_;
  std::int64_t* address_ = nullptr;
};

/** One call of FlashInfer's launcher, and what its kernels need beside it. */
class flashinfer_ssu final : public planned_ssu {
 public:
  flashinfer_ssu(const ssu_plan& plan, flashinfer_algorithm algorithm,
                 const flashinfer_specialization& kernels)
      : planned_ssu{plan, plan.problem}, algorithm_{algorithm}, kernels_{kernels} {}

  [[nodiscard]] std::string why_not(const ssu_problem& problem) const override {
    std::string reason = flashinfer::why_not(problem);
    return reason.empty() ? flashinfer::why_not(problem, algorithm_) : reason;
  }

  using planned_ssu::enqueue;
  void enqueue(const ssu_args& args, const ssu_launch& how, stream_handle stream) const override;

 private:
  flashinfer_algorithm algorithm_;
  const flashinfer_specialization& kernels_;
};

void flashinfer_ssu::enqueue(const ssu_args& args, const ssu_launch& how,
                             stream_handle stream) const {
  check_contiguous("cu_seqlens", args.cu_seqlens);
  check_contiguous("num_accepted_tokens", args.num_accepted_tokens);
  const ssu_problem& problem = plan().problem;
  const device_guard guard{problem.device.ordinal};
  // A first launch loads its kernel, which a capture going on must not forbid.
  const relaxed_capture relaxed;
  const std::int64_t sequences = launched(how.sequences);
  flashinfer_call call = lowered(problem, algorithm_, args, sequences);
  std::optional<device_seed> seed;
  if (problem.stochastic_rounding && !args.rand_seed) {
    call.rand_seed = seed.emplace(how.drawn_seed, stream).address();
  }
  kernels_.launch(call, stream);
  enqueue_null_rows(rule_of(problem, args), sequences, args.out, stream);
}

}  // namespace

std::string flashinfer_backend::name() const {
  return flashinfer_name;
}

backend_features flashinfer_backend::features() const {
  backend_features has = features_of_0_1();
  has.features.erase(ssu_feature::untied);
  has.features.insert(ssu_feature::checkpointed);  // refused with the reason
  has.state.insert(dtype::int16);
  return has;
}

support flashinfer_backend::serves(const ssu_problem& problem) const {
  if (std::string reason = why_not(problem); !reason.empty()) return {std::move(reason)};
  const flashinfer_shape shape = shape_of(problem);
  if (find_specialization(shape) == nullptr) return {not_compiled(shape)};
  return {why_no_image(problem.device)};
}

std::shared_ptr<planned_ssu> flashinfer_backend::resolve(const ssu_problem& problem,
                                                         std::int64_t sequences,
                                                         const std::string& algorithm) const {
  const flashinfer_shape shape = shape_of(problem);
  const flashinfer_specialization* kernels = find_specialization(shape);
  if (kernels == nullptr) throw unsupported{{{flashinfer_name, not_compiled(shape)}}};
  const flashinfer_device device = device_for(problem);
  const flashinfer_choice choice = choose_algorithm(problem, sequences, algorithm, device);
  return std::make_shared<flashinfer_ssu>(flashinfer_plan(problem, sequences, choice, device),
                                          choice.algorithm, *kernels);
}

std::vector<ssu_plan> flashinfer_backend::candidates(const ssu_problem& problem,
                                                     std::int64_t sequences) const {
  std::vector<ssu_plan> plans;
  for (const flashinfer_algorithm algorithm : flashinfer_algorithms) {
    if (!why_not(problem, algorithm).empty()) continue;
    plans.push_back(plan(problem, sequences, std::string{name_of(algorithm)}));
  }
  return plans;
}

}  // namespace ssugraph::detail::flashinfer
