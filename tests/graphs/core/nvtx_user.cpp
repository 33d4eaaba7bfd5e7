#include <nvtx3/nvtx3.hpp>

/** A plug-in of a user's with ranges of its own: a shared object, so with an NVTX of its own. */
struct plugin_domain {
  static constexpr const char* name = "plugin";
};

extern "C" void nvtx_user_range(void (*work)()) {
  const nvtx3::scoped_range_in<plugin_domain> range{"plugin"};
  work();
}
