#pragma once

#include <ssugraph/sequence_group.hpp>
#include <ssugraph/ssu.hpp>
#include <ssugraph/ssugraph.h>
#include <ssugraph/tensor_view.hpp>

#include <cstdint>
#include <span>
#include <string>
#include <vector>

/** DLPack's tensors as the library's views, and back. */
namespace ssugraph::c_api {

/** What elements there are, in words. */
inline constexpr const char* floating_dtypes = "float32, float16 or bfloat16";
inline constexpr const char* state_dtypes =
    "float32, float16 or bfloat16, or scaled int16, int8 or float8_e4m3";
inline constexpr const char* index_dtypes = "int32 or int64";

/** What it is here. Throws invalid_argument, which names the field `name`, and what there may be in
 *  words. */
[[nodiscard]] dtype dtype_of(const std::string& name, DLDataType given, const std::string& dtypes);

/**
 * The view of a tensor, which may have these `dtypes`, in words; an empty one for null. Throws
 * invalid_argument, which names the field: a dtype that the library has not, axes other than 1..4,
 * a negative extent, no shape, no address, a byte beyond 62 bits of address, memory that is not
 * where `device` says.
 */
[[nodiscard]] tensor_view view_of(const std::string& name, const DLTensor* tensor,
                                  const std::string& dtypes);

/** Throws as view_of and for the scalars. */
[[nodiscard]] ssu_args args_of(const ssugraph_ssu_args* args);

/** The other way round. */
[[nodiscard]] DLDataType dlpack_of(dtype type);

/** Throws as view_of and for the scalars. */
[[nodiscard]] sequence_group group_of(const ssugraph_sequence_group* group);

/** A DLTensor with its shape and strides. Not to be moved: it points into itself. */
class described_tensor {
 public:
  explicit described_tensor(const tensor_view& view);
  described_tensor(const described_tensor&) = delete;
  described_tensor& operator=(const described_tensor&) = delete;

  /** Null for an empty view. */
  [[nodiscard]] const DLTensor* get() const noexcept {
    return tensor_.ndim > 0 ? &tensor_ : nullptr;
  }

 private:
  std::int64_t shape_[tensor_view::max_rank] = {};
  std::int64_t strides_[tensor_view::max_rank] = {};
  DLTensor tensor_{};
};

}  // namespace ssugraph::c_api
