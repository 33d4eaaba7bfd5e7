#include "graphs/c_api/handles.hpp"
#include "graphs/c_api/status.hpp"
#include "graphs/c_api/tensors.hpp"
#include "graphs/c_api/values.hpp"

#include <cstddef>
#include <cstring>
#include <memory>

using namespace ssugraph;
using namespace ssugraph::c_api;

namespace {

ssu_addresses addresses_of(const ssugraph_ssu_addresses* given) {
  const ssugraph_ssu_addresses known = required("addresses", given);
  constexpr std::size_t head = offsetof(ssugraph_ssu_addresses, state);
  static_assert(sizeof known == head + sizeof(ssu_addresses),
                "both have the same members in the same order");
  ssu_addresses addresses;
  std::memcpy(&addresses, reinterpret_cast<const std::byte*>(&known) + head, sizeof addresses);
  return addresses;
}

}  // namespace

ssugraph_status ssugraph_call_create(const ssugraph_dispatch* dispatch,
                                     const ssugraph_ssu_args* args, ssugraph_call** call) {
  return guarded([&] {
    hand_out("call", call, [&] {
      return std::make_shared<ssu_call>(object_of(dispatch)->prepare(args_of(args)));
    });
  });
}

ssugraph_status ssugraph_call_destroy(ssugraph_call* call) {
  return guarded([&] { destroy(call); });
}

ssugraph_status ssugraph_call_launch(const ssugraph_call* call,
                                     const ssugraph_ssu_addresses* addresses, int64_t batch,
                                     ssugraph_stream stream) {
  return guarded([&] { object_of(call)->launch(addresses_of(addresses), batch, stream); });
}
