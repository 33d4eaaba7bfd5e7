// What a user does through the public interface alone, on the host: replays a layer, stages
// indices, catches an error, brings a backend.

#include "layer.hpp"

#include <ssugraph/ssugraph.hpp>

#include <array>
#include <cstdint>
#include <cstdlib>
#include <iostream>
#include <memory>
#include <string>

namespace {

bool replays() {
  layer layer;
  replay_twice(&layer, ssugraph::target::host, nullptr);
  return replayed_twice(layer);
}

bool stages() {
  std::array<std::int64_t, 2> slots{};
  ssugraph::staging_ring ring{64, 1, ssugraph::device::host()};
  ring.begin();
  ring.take<std::int64_t>({slots.data(), ssugraph::dtype::int64, {2}}, 2)[1] = 5;
  ring.submit(nullptr);
  return slots[1] == 5;
}

bool catches() {
  try {
    ssugraph::bucket_policy{{0}};
  } catch (const ssugraph::invalid_argument& error) {
    return !error.argument().empty();
  }
  return false;
}

class refusing_backend : public ssugraph::mamba_ssu_backend {
 public:
  std::string name() const override { return "refusing"; }
  ssugraph::support supports(const ssugraph::ssu_problem&) const override { return {"not today"}; }
  ssugraph::ssu_plan plan(const ssugraph::ssu_problem&, std::int64_t,
                          const std::string&) const override {
    return {};
  }
  void enqueue(const ssugraph::ssu_plan&, const ssugraph::ssu_args&, std::int64_t,
               ssugraph::stream_handle) const override {}
};

bool brings_a_backend() {
  ssugraph::register_mamba_ssu_backend(std::make_shared<refusing_backend>());
  ssugraph::ssu_dispatch dispatch{{.backend = "refusing"}};
  if (dynamic_cast<const refusing_backend*>(&dispatch.backend()) == nullptr) return false;
  try {
    layer layer;
    dispatch.selective_state_update(args_of(&layer), nullptr);
  } catch (const ssugraph::unsupported& error) {
    return error.refusals().at(0).reason == "not today";
  }
  return false;
}

bool report(const char* what, bool right) {
  std::cout << what << (right ? ": right\n" : ": wrong\n");
  return right;
}

}  // namespace

int main() {
  bool right = report("replays", replays());
  right &= report("stages", stages());
  right &= report("catches", catches());
  right &= report("brings a backend", brings_a_backend());
  return right ? EXIT_SUCCESS : EXIT_FAILURE;
}
