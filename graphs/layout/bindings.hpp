#pragma once

#include "graphs/core/pipeline_core.hpp"

#include <ssugraph/binding.hpp>
#include <ssugraph/cache_view.hpp>
#include <ssugraph/device.hpp>

#include <cstddef>
#include <functional>
#include <span>
#include <string>
#include <vector>

/** The tensors that the steps of a lane run on: the pipeline's, and what is bound in their place.
 */
namespace ssugraph::detail {

/** The steps of a lane, on the tensors that are bound; null for custom steps. */
using bound_steps = std::vector<checked_pointer>;

/** As the pipeline was built. */
[[nodiscard]] bound_steps built_steps(const pipeline_core& core);

/** `steps` with `bindings` applied. Throws invalid_argument. */
[[nodiscard]] bound_steps bind(const pipeline_core& core, bound_steps steps,
                               std::span<const binding> bindings);

/** Where the memory at an address is. */
using memory_lookup = std::function<device(const void* address)>;

/**
 * The steps that `bindings` name, on other row tensors, as one bucket is recorded with them; null
 * for all others. Only the rows of the bucket have to be there. Throws invalid_argument.
 */
[[nodiscard]] bound_steps bind_rows(const pipeline_core& core, const bound_steps& steps,
                                    std::size_t bucket_index, std::span<const binding> bindings,
                                    const memory_lookup& where_is);

/** What the steps keep, each state once. */
[[nodiscard]] std::vector<cache_view> caches_of(const bound_steps& steps);

/** The row tensors of every step, for the check against other lanes. */
[[nodiscard]] std::vector<lane_tensor> row_tensors(const pipeline_core& core,
                                                   const bound_steps& steps);

/** Throws invalid_argument, which names the tensor, if what `mine` keeps may not stand beside what
 * `other`, which is step `owner`, keeps: one of them writes memory of both or, where `mine` shares
 * its state, their scales differ or one has rings; or they share a cursor and would take it on
 * differently. */
void check_state(const checked_step& mine, bool shares_state, const checked_step& other,
                 const std::string& owner);

}  // namespace ssugraph::detail
