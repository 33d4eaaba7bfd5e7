#pragma once

#include "lib/ops/slots/slot_entries.hpp"

#include <ssugraph/cache_view.hpp>
#include <ssugraph/device.hpp>
#include <ssugraph/tensor_view.hpp>

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

/** The checks of what slot operations take. All throw invalid_argument, which names the tensor. */
namespace ssugraph::detail {

/** Numbers of slots are int32 or int64 (n). Their address counts once there are any. */
void check_slots(const slot_list& slots);

/** Of checked ones. */
[[nodiscard]] slot_entries entries_of(const slot_list& slots, const tensor_view& positions = {});

/** There is one, int32 or int64, for each of `slots`, which are checked. */
void check_positions(const tensor_view& positions, const slot_list& slots);

/** `given`, which has `rank` axes or leaves out that of the heads, with all of them, within reach
 *  and without strides that lead nowhere. */
[[nodiscard]] tensor_view canonical(const std::string& name, const tensor_view& given, int rank);

/** `caches[2].state`, `states[2]`. */
[[nodiscard]] std::string name_of_cache(std::size_t layer, const char* member);
[[nodiscard]] std::string name_of_dense(std::size_t layer);

/** A tensor of a call. */
struct slot_tensor {
  std::string name;
  tensor_view view;
  bool is_written;
};

/** What has elements lies in `home`, where the slots are, at addresses that its dtype may have. */
void check_memory(std::span<const slot_tensor> tensors, device home);

/** What is written has no element on another one, nor on any of the other tensors. */
void check_written(std::span<const slot_tensor> tensors);

}  // namespace ssugraph::detail
