#include "graphs/c_api/handles.hpp"

#include <array>
#include <mutex>
#include <string>
#include <unordered_map>

namespace ssugraph::c_api {
namespace {

struct entry {
  handle_kind kind;
  std::shared_ptr<void> object;
};

/** A part of all handles under a lock of its own, so that lanes on several threads do not meet. */
struct alignas(64) shard {
  std::mutex mutex;
  std::unordered_map<std::uintptr_t, entry> entries;
};

struct table {
  std::atomic<std::uintptr_t> next = 1;
  std::array<shard, 16> shards;

  [[nodiscard]] shard& shard_of(std::uintptr_t handle) noexcept {
    return shards[handle / 2 % shards.size()];
  }
  [[nodiscard]] bool gave_out(std::uintptr_t handle) const noexcept {
    return handle % 2 == 1 && handle < next.load();
  }
};

/** Never destroyed: objects with static lifetime may end handles of theirs later than this would.
 */
table& the_table() {
  static table& instance = *new table;
  return instance;
}

const char* name_of(handle_kind kind) {
  switch (kind) {
    case handle_kind::dispatch:
      return "dispatch";
    case handle_kind::call:
      return "call";
    case handle_kind::builder:
      return "builder";
    case handle_kind::pipeline:
      return "pipeline";
    case handle_kind::lane:
      return "lane";
    case handle_kind::staging_ring:
      return "staging_ring";
  }
  return "handle";
}

[[noreturn]] void refuse(handle_kind wanted, std::uintptr_t handle, const entry* found) {
  std::string came = "no handle of this library";
  if (handle == 0) came = "null";
  if (found != nullptr) {
    came = std::string{"a handle of a "} + name_of(found->kind);
  } else if (the_table().gave_out(handle)) {
    came = "a handle that was destroyed";
  }
  throw invalid_argument{name_of(wanted), std::string{"a handle of a "} + name_of(wanted), came};
}

/** The entry of a live handle of that kind. The shard is locked. */
auto find(shard& part, handle_kind kind, std::uintptr_t handle) {
  const auto found = part.entries.find(handle);
  if (found == part.entries.end()) refuse(kind, handle, nullptr);
  if (found->second.kind != kind) refuse(kind, handle, &found->second);
  return found;
}

}  // namespace

void* add_handle(handle_kind kind, std::shared_ptr<void> object) {
  const std::uintptr_t handle = the_table().next.fetch_add(2);
  shard& part = the_table().shard_of(handle);
  const std::lock_guard lock{part.mutex};
  part.entries.emplace(handle, entry{kind, std::move(object)});
  return reinterpret_cast<void*>(handle);
}

std::shared_ptr<void> find_handle(handle_kind kind, const void* handle) {
  const auto number = reinterpret_cast<std::uintptr_t>(handle);
  shard& part = the_table().shard_of(number);
  const std::lock_guard lock{part.mutex};
  return find(part, kind, number)->second.object;
}

std::shared_ptr<void> remove_handle(handle_kind kind, const void* handle) {
  const auto number = reinterpret_cast<std::uintptr_t>(handle);
  shard& part = the_table().shard_of(number);
  const std::lock_guard lock{part.mutex};
  const auto found = find(part, kind, number);
  std::shared_ptr<void> object = std::move(found->second.object);
  part.entries.erase(found);
  return object;
}

}  // namespace ssugraph::c_api
