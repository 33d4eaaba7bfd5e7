#include "graphs/c_api/tensors.hpp"

#include "graphs/c_api/values.hpp"
#include "lib/core/device.hpp"
#include "lib/core/reach.hpp"
#include "lib/ops/ssu/problem/operands.hpp"

#include <ssugraph/error.hpp>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>

namespace ssugraph::c_api {
namespace {

struct dtype_pair {
  dtype type;
  std::uint8_t code;  ///< a DLDataTypeCode
  std::uint8_t bits;
};

/** kDLFloat8_e4m3fn, which DLPack has from 1.1 on. */
constexpr std::uint8_t float8_e4m3_code = 10;

constexpr std::array dtypes{dtype_pair{dtype::float32, kDLFloat, 32},
                            dtype_pair{dtype::float16, kDLFloat, 16},
                            dtype_pair{dtype::bfloat16, kDLBfloat, 16},
                            dtype_pair{dtype::int32, kDLInt, 32},
                            dtype_pair{dtype::int64, kDLInt, 64},
                            dtype_pair{dtype::int8, kDLInt, 8},
                            dtype_pair{dtype::int16, kDLInt, 16},
                            dtype_pair{dtype::float8_e4m3, float8_e4m3_code, 8}};

const char* dtypes_of(detail::ssu_elements elements) {
  switch (elements) {
    case detail::ssu_elements::state:
    case detail::ssu_elements::as_state:
      return state_dtypes;
    case detail::ssu_elements::floating:
    case detail::ssu_elements::as_x:
    case detail::ssu_elements::as_B:
      return floating_dtypes;
    case detail::ssu_elements::scale:
      return "float32";
    case detail::ssu_elements::index:
      return index_dtypes;
    case detail::ssu_elements::rows:
      return "int32";
    case detail::ssu_elements::seed:
    case detail::ssu_elements::key:
      return "int64";
  }
  return "another";
}

/** The address of the first element. */
const std::byte* address_of(const std::string& name, const DLTensor& tensor) {
  const auto base = reinterpret_cast<std::uintptr_t>(tensor.data);
  std::uintptr_t first = 0;
  if (!__builtin_add_overflow(base, tensor.byte_offset, &first))
    return reinterpret_cast<const std::byte*>(first);
  throw invalid_argument{name, "an offset within the address space",
                         std::to_string(base) + " + " + std::to_string(tensor.byte_offset)};
}

/** What a DLDeviceType holds, which a caller may have filled with anything. */
std::int32_t type_of(const DLDevice& given) {
  static_assert(sizeof given.device_type == sizeof(std::int32_t));
  std::int32_t type = 0;
  std::memcpy(&type, &given.device_type, sizeof type);
  return type;
}

device claimed_device(const std::string& name, const DLDevice& given) {
  const std::int32_t type = type_of(given);
  if (type == kDLCPU || type == kDLCUDAHost) return device::host();
  if ((type == kDLCUDA || type == kDLCUDAManaged) && given.device_id >= 0)
    return device{given.device_id};
  throw invalid_argument{
      name + ".device", "kDLCPU, kDLCUDA, kDLCUDAHost or kDLCUDAManaged, and an id from 0",
      "type " + std::to_string(type) + ", id " + std::to_string(given.device_id)};
}

/** The library asks CUDA where memory is; a caller who thinks otherwise would be surprised. */
void check_device(const std::string& name, const DLTensor& tensor, const void* address) {
  const device claimed = claimed_device(name, tensor.device);
  const device found = detail::device_of(address);
  const bool managed = type_of(tensor.device) == kDLCUDAManaged;
  if (managed ? !found.is_host() : found == claimed) return;
  std::string came = managed ? "managed memory" : detail::describe_memory(claimed);
  if (!claimed.is_host() && !has_cuda_device()) came += ", with " + detail::why_no_cuda_device();
  throw invalid_argument{name + ".device",
                         "the place of its memory, " + detail::describe_memory(found),
                         std::move(came)};
}

}  // namespace

dtype dtype_of(const std::string& name, DLDataType given, const std::string& dtypes_in_words) {
  for (const auto& [type, code, bits] : dtypes) {
    if (given.code == code && given.bits == bits && given.lanes == 1) return type;
  }
  throw invalid_argument{name, dtypes_in_words + ", of one lane",
                         "code " + std::to_string(given.code) + ", " + std::to_string(given.bits) +
                             " bits, " + std::to_string(given.lanes) + " lanes"};
}

tensor_view view_of(const std::string& name, const DLTensor* tensor, const std::string& dtypes) {
  if (tensor == nullptr) return {};
  const dtype type = dtype_of(name + ".dtype", tensor->dtype, dtypes);
  if (tensor->ndim < 1 || tensor->ndim > tensor_view::max_rank) {
    throw invalid_argument{name + ".ndim", "1 to 4", std::to_string(tensor->ndim)};
  }
  if (tensor->shape == nullptr) throw invalid_argument{name + ".shape", "an array", "null"};
  const auto rank = static_cast<std::size_t>(tensor->ndim);
  const std::span<const std::int64_t> shape{tensor->shape, rank};
  tensor_view layout;
  try {
    layout = tensor->strides == nullptr
                 ? tensor_view{nullptr, type, shape}
                 : tensor_view{nullptr, type, shape, std::span{tensor->strides, rank}};
  } catch (const invalid_argument& error) {
    throw invalid_argument{name + ".shape", error.expected(), error.came()};
  }
  const tensor_view view = layout.at(address_of(name, *tensor));
  static_cast<void>(claimed_device(name, tensor->device));
  const bool has_bytes = layout.size() > 0;
  if (has_bytes && tensor->data == nullptr)
    throw invalid_argument{name + ".data", "an address", "null"};
  detail::check_reach(name, view);
  if (has_bytes) check_device(name, *tensor, view.data());
  return view;
}

namespace {

/** As view_of; a seed without axes, a scalar of other libraries, counts as a tensor of one. */
tensor_view view_of_seed(const std::string& name, const DLTensor* tensor,
                         const std::string& dtypes) {
  if (tensor == nullptr || tensor->ndim != 0) return view_of(name, tensor, dtypes);
  std::int64_t one = 1;
  DLTensor with_axis = *tensor;
  with_axis.ndim = 1;
  with_axis.shape = &one;
  with_axis.strides = nullptr;
  return view_of(name, &with_axis, dtypes);
}

}  // namespace

ssu_args args_of(const ssugraph_ssu_args* given) {
  const ssugraph_ssu_args known = required("args", given);
  check_reserved("reserved", known.reserved);
  // The tensors of the struct lie in the order of the operands: those of rings behind its scalars.
  constexpr std::size_t count = detail::ssu_operands.size();
  constexpr auto first_of_rings = static_cast<std::size_t>(ssu_tensor::x_ring);
  constexpr std::size_t size = sizeof(const DLTensor*);
  static_assert(offsetof(ssugraph_ssu_args, dst_state_scale) ==
                    offsetof(ssugraph_ssu_args, state) + (first_of_rings - 1) * size &&
                offsetof(ssugraph_ssu_args, rounding_key) ==
                    offsetof(ssugraph_ssu_args, x_ring) + (count - first_of_rings - 1) * size);
  std::array<const DLTensor*, count> tensors{};
  const auto* const bytes = reinterpret_cast<const std::byte*>(&known);
  std::memcpy(static_cast<void*>(tensors.data()), bytes + offsetof(ssugraph_ssu_args, state),
              first_of_rings * size);
  std::memcpy(static_cast<void*>(tensors.data() + first_of_rings),
              bytes + offsetof(ssugraph_ssu_args, x_ring), (count - first_of_rings) * size);
  ssu_args args;
  for (std::size_t i = 0; i < count; ++i) {
    const detail::ssu_operand& each = detail::ssu_operands[i];
    const auto view = each.what.role == detail::operand_role::seed ? view_of_seed : view_of;
    args.*each.member = view(std::string{each.what.name}, tensors[i], dtypes_of(each.elements));
  }
  args.null_block_id = null_block_of(known);
  args.max_seqlen = known.max_seqlen;
  if (known.checkpoint_interval != 0) args.checkpoint_interval = known.checkpoint_interval;
  args.dt_softplus = flag("dt_softplus", known.dt_softplus);
  if (flag("dt_limited", known.dt_limited)) {
    args.dt_min = known.dt_min;
    args.dt_max = known.dt_max;
  }
  return args;
}

DLDataType dlpack_of(dtype type) {
  const auto found = std::ranges::find(dtypes, type, &dtype_pair::type);
  return {found->code, found->bits, 1};
}

sequence_group group_of(const ssugraph_sequence_group* given) {
  const ssugraph_sequence_group known = required("group", given);
  check_reserved("reserved", known.reserved);
  const auto integers = [](const char* name, const DLTensor* tensor) {
    return view_of(name, tensor, index_dtypes);
  };
  sequence_group group{
      .state_batch_indices = integers("state_batch_indices", known.state_batch_indices),
      .dst_state_batch_indices = integers("dst_state_batch_indices", known.dst_state_batch_indices),
      .num_accepted_tokens = integers("num_accepted_tokens", known.num_accepted_tokens),
      .cu_seqlens = integers("cu_seqlens", known.cu_seqlens),
      .ring_cursor = view_of("ring_cursor", known.ring_cursor, "int32"),
      .ring_plan = view_of("ring_plan", known.ring_plan, "int32"),
      .rounding_key = view_of("rounding_key", known.rounding_key, "int64")};
  group.null_block_id = null_block_of(known);
  group.max_seqlen = known.max_seqlen;
  if (known.checkpoint_interval != 0) group.checkpoint_interval = known.checkpoint_interval;
  return group;
}

described_tensor::described_tensor(const tensor_view& view) {
  if (!view) return;
  std::ranges::copy(view.extents(), shape_);
  std::ranges::copy(view.strides(), strides_);
  const device where = detail::device_of(view.data());
  tensor_.data = view.data();
  tensor_.device = {where.is_host() ? kDLCPU : kDLCUDA, where.is_host() ? 0 : where.ordinal};
  tensor_.ndim = view.rank();
  tensor_.dtype = dlpack_of(view.dtype());
  tensor_.shape = shape_;
  tensor_.strides = strides_;
}

}  // namespace ssugraph::c_api
