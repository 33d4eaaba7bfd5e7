#include "lib/ops/slots/canonical_cache.hpp"

#include "lib/core/reach.hpp"
#include "lib/state/check_scale.hpp"
#include "lib/step/check_ring.hpp"
#include "lib/step/ring.hpp"

#include <ssugraph/error.hpp>
#include <ssugraph/rings.hpp>

#include <algorithm>
#include <cstdint>
#include <initializer_list>
#include <string>

namespace ssugraph::detail {
namespace {

constexpr std::array rings{&cache_view::x_ring, &cache_view::B_ring, &cache_view::dt_ring};

/** Throws invalid_argument, which names a tensor of layer number `layer`. */
[[noreturn]] void refuse(std::size_t layer, const char* member, const std::string& expected,
                         const tensor_view& came) {
  throw invalid_argument{name_of_cache(layer, member), expected,
                         came ? to_string(came) : "nothing"};
}

bool has_shape(const tensor_view& tensor, std::initializer_list<std::int64_t> extents) {
  return std::ranges::equal(tensor.extents(), extents);
}

/** The state with its scales. */
cache_view canonical_state(const cache_view& given, std::size_t layer) {
  const std::string name = name_of_cache(layer, "state");
  const std::string scale = name_of_cache(layer, "state_scale");
  cache_view cache{canonical(name, given.state, 4), {}};
  if (!is_state_format(cache.state.dtype()))
    refuse(layer, "state", "a dtype that states are stored in", given.state);
  check_scale(scale, given.state_scale, name, cache.state);
  if (!given.state_scale) return cache;
  cache.state_scale = canonical(scale, given.state_scale, 3);
  if (cache.state_scale.dtype() == dtype::float32 &&
      std::ranges::equal(cache.state_scale.extents(), cache.state.extents().first(3)))
    return cache;
  throw invalid_argument{scale, "float32 (slots, nheads, dim) of " + name,
                         to_string(cache.state_scale) + " beside " + to_string(cache.state)};
}

/** Whether `given` has rings; all of them, or throws. */
bool has_rings(const cache_view& given, std::size_t layer) {
  const char* bound = nullptr;
  for (const auto& [name, member] : cache_members) {
    const bool is_of_ring = member != &cache_view::state && member != &cache_view::state_scale;
    if (is_of_ring && given.*member && bound == nullptr) bound = name;
  }
  if (bound == nullptr) return false;
  for (const auto& [name, member] : cache_members) {
    const bool is_ring = std::ranges::find(rings, member) != rings.end();
    if (is_ring && !(given.*member))
      refuse(layer, name, std::string{"a tensor beside "} + bound, {});
  }
  return true;
}

void add_rings(cache_view& cache, const cache_view& given, std::size_t layer) {
  const std::string beside = " beside a state " + to_string(cache.state);
  const std::int64_t slots = cache.state.extent(0);
  const std::int64_t nheads = cache.state.extent(1);
  cache.x_ring = canonical(name_of_cache(layer, "x_ring"), given.x_ring, 4);
  cache.B_ring = canonical(name_of_cache(layer, "B_ring"), given.B_ring, 4);
  cache.dt_ring = canonical(name_of_cache(layer, "dt_ring"), given.dt_ring, 3);
  const std::int64_t rows = cache.x_ring.extent(2);
  const std::int64_t ngroups = cache.B_ring.extent(1);
  check_ring_length(name_of_cache(layer, "x_ring"), rows, 0, 1);
  if (!is_floating(cache.x_ring.dtype()) ||
      !has_shape(cache.x_ring, {slots, nheads, rows, cache.state.extent(2)}))
    refuse(layer, "x_ring", "float32, float16 or bfloat16 (slots, nheads, R, dim)" + beside,
           cache.x_ring);
  const bool divides = ngroups > 0 && nheads % ngroups == 0;
  if (!is_floating(cache.B_ring.dtype()) || !divides ||
      !has_shape(cache.B_ring, {slots, ngroups, rows, cache.state.extent(3)}))
    refuse(layer, "B_ring",
           "float32, float16 or bfloat16 (slots, ngroups, R, dstate) with the R of x_ring" + beside,
           cache.B_ring);
  if (cache.dt_ring.dtype() != dtype::float32 || !has_shape(cache.dt_ring, {slots, nheads, rows}))
    refuse(layer, "dt_ring", "float32 (slots, nheads, R) with the R of x_ring" + beside,
           cache.dt_ring);
}

/** `given`, called `member`, with strides that lead somewhere. */
tensor_view beside_rings(const tensor_view& given, std::size_t layer, const char* member) {
  if (!given) return {};
  check_reach(name_of_cache(layer, member), given);
  return with_strides_in_reach(given);
}

void add_cursor_and_key(cache_view& cache, const cache_view& given, std::size_t layer) {
  const std::int64_t slots = cache.state.extent(0);
  cache.ring_cursor = beside_rings(given.ring_cursor, layer, "ring_cursor");
  if (cache.ring_cursor) {
    if (cache.ring_cursor.dtype() != dtype::int32)
      refuse(layer, "ring_cursor", "int32 (slots, 4)", cache.ring_cursor);
    check_ring_rows(name_of_cache(layer, "ring_cursor"), cache.ring_cursor, slots,
                    sizeof(ring_cursor) / sizeof(std::int32_t));
    cache.ring_cursor = cache.ring_cursor.with_extent(0, slots);
  }
  cache.rounding_key = beside_rings(given.rounding_key, layer, "rounding_key");
  if (cache.rounding_key &&
      (cache.rounding_key.dtype() != dtype::int64 || !has_shape(cache.rounding_key, {slots})))
    refuse(layer, "rounding_key", "int64 (slots) = (" + std::to_string(slots) + ")",
           cache.rounding_key);
}

bool is_same_cursor(const tensor_view& a, const tensor_view& b) {
  return a && b && a.data() == b.data() && a.stride(0) == b.stride(0);
}

/** Quadratic in cursors, of which there are a few. */
void leave_each_cursor_once(std::span<cache_view> caches) {
  std::vector<cache_view*> owners;
  for (cache_view& cache : caches) {
    if (!cache.ring_cursor) continue;
    const auto found = std::ranges::find_if(owners, [&](const cache_view* owner) {
      return is_same_cursor(owner->ring_cursor, cache.ring_cursor);
    });
    if (found == owners.end()) {
      owners.push_back(&cache);
      continue;
    }
    const bool has_more = cache.ring_cursor.extent(0) > (*found)->ring_cursor.extent(0);
    cache_view& other = has_more ? **found : cache;
    if (has_more) *found = &cache;
    other.ring_cursor = {};
  }
}

}  // namespace

std::vector<cache_view> canonical_caches(std::span<const cache_view> given) {
  std::vector<cache_view> caches;
  caches.reserve(given.size());
  for (std::size_t layer = 0; layer < given.size(); ++layer) {
    cache_view& cache = caches.emplace_back(canonical_state(given[layer], layer));
    if (!has_rings(given[layer], layer)) continue;
    add_rings(cache, given[layer], layer);
    add_cursor_and_key(cache, given[layer], layer);
  }
  leave_each_cursor_once(caches);
  return caches;
}

std::vector<slot_tensor> tensors_of(std::span<const cache_view> caches,
                                    std::span<tensor_view cache_view::*const> written) {
  std::vector<slot_tensor> tensors;
  tensors.reserve(cache_members.size() * caches.size());
  for (std::size_t layer = 0; layer < caches.size(); ++layer) {
    for (const auto& [name, member] : cache_members) {
      const tensor_view& tensor = caches[layer].*member;
      const bool is_written = std::ranges::find(written, member) != written.end();
      if (tensor) tensors.push_back({name_of_cache(layer, name), tensor, is_written});
    }
  }
  return tensors;
}

}  // namespace ssugraph::detail
