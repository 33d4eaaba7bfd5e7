// An eager update takes its stream: none is the default.
// GNU: too few arguments to function 'void ssugraph::selective_state_update
// Clang: too few arguments to function call, expected 2, have 1
#include <ssugraph/dispatch.hpp>
#include <ssugraph/ssu.hpp>
#include <ssugraph/stream.hpp>

void update(const ssugraph::ssu_args& args, [[maybe_unused]] ssugraph::stream_handle stream) {
#ifdef SSUGRAPH_MISUSE
  ssugraph::selective_state_update(args);
#else
  ssugraph::selective_state_update(args, stream);
#endif
}
