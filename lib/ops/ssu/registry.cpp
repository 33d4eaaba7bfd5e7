#include "lib/ops/ssu/registry.hpp"

#include "lib/ops/ssu/backends/reference/reference.hpp"

#include <ssugraph/error.hpp>

#include <algorithm>
#include <mutex>
#include <utility>
#if SSUGRAPH_CUDA
#include "lib/ops/ssu/backends/native/native.hpp"
#endif
#if SSUGRAPH_HAS_FLASHINFER
#include "lib/ops/ssu/backends/flashinfer/flashinfer.hpp"
#endif
#if SSUGRAPH_HAS_TRITON
#include "lib/ops/ssu/backends/triton/triton.hpp"
#endif

/** The one file that knows every backend. */
namespace ssugraph {
namespace detail {
namespace {

struct registry {
  std::mutex mutex;
  std::vector<backend_pointer> backends {
#if SSUGRAPH_CUDA
    std::make_shared<native::native_backend>(),
#endif
#if SSUGRAPH_HAS_TRITON
        std::make_shared<triton::triton_backend>(),
#endif
#if SSUGRAPH_HAS_FLASHINFER
        std::make_shared<flashinfer::flashinfer_backend>(),
#endif
        std::make_shared<reference::reference_backend>(),
  };
};

/** Never destroyed, as all that a call needs: objects with static lifetime may make it later. */
registry& the_registry() {
  static registry& instance = *new registry;
  return instance;
}

}  // namespace

const optional_backend* find_optional(const std::string& name) {
  const auto found = std::ranges::find(optional_backends, name, &optional_backend::name);
  return found == optional_backends.end() ? nullptr : &*found;
}

std::string missing(const optional_backend& absent) {
  return std::string{"not in this build; it needs "} + absent.remedy;
}

std::vector<backend_pointer> all_backends() {
  registry& known = the_registry();
  const std::lock_guard lock{known.mutex};
  return known.backends;
}

backend_pointer owner_of(const ssu_plan& plan, const backend_pointer& backend) {
  for (const backend_pointer& other : all_backends()) {
    if (other->name() == plan.backend) return other;
  }
  return backend;
}

}  // namespace detail

void register_mamba_ssu_backend(std::shared_ptr<const mamba_ssu_backend> backend) {
  if (!backend) throw invalid_argument{"backend", "a backend", "null"};
  const std::string name = backend->name();
  detail::registry& known = detail::the_registry();
  const std::lock_guard lock{known.mutex};
  const bool taken =
      name == detail::automatic || detail::find_optional(name) != nullptr ||
      std::ranges::any_of(known.backends, [&](const auto& other) { return other->name() == name; });
  if (name.empty() || taken) {
    throw invalid_argument{"backend", "a name that no backend has yet", "'" + name + "'"};
  }
  known.backends.push_back(std::move(backend));
}

}  // namespace ssugraph
