// A replay takes its stream: none is the default.
// GNU: no matching function for call to 'ssugraph::lane::replay\(int\)'
// Clang: too few arguments to function call, expected 2, have 1
#include <ssugraph/lane.hpp>
#include <ssugraph/stream.hpp>

void step(ssugraph::lane& lane, [[maybe_unused]] ssugraph::stream_handle stream) {
#ifdef SSUGRAPH_MISUSE
  lane.replay(4);
#else
  lane.replay(4, stream);
#endif
}
