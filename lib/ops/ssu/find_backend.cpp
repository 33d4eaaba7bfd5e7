#include "lib/ops/ssu/find_backend.hpp"

#include "lib/ops/ssu/automatic.hpp"

#include <ssugraph/error.hpp>

namespace ssugraph::detail {

backend_pointer find_backend(const std::string& name) {
  static const auto& chooser = *new backend_pointer{std::make_shared<automatic_backend>()};
  if (name == automatic) return chooser;
  std::string names;
  for (const backend_pointer& backend : all_backends()) {
    if (backend->name() == name) return backend;
    names += backend->name() + ", ";
  }
  if (const optional_backend* absent = find_optional(name)) {
    throw unsupported{{{name, missing(*absent)}}};
  }
  throw invalid_argument{"backend", "one of " + names + automatic, "'" + name + "'"};
}

}  // namespace ssugraph::detail
