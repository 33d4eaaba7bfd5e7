// A stream is a stream's handle: an event's, though a pointer too, is none.
// GNU: cannot convert 'CUevent_st\*' to 'ssugraph::stream_handle'
// Clang: cannot initialize a parameter of type 'ssugraph::stream_handle'
#include <ssugraph/lane.hpp>
#include <ssugraph/stream.hpp>

struct CUevent_st;

void hand_over(ssugraph::lane& lane, [[maybe_unused]] ssugraph::stream_handle stream,
               [[maybe_unused]] CUevent_st* event) {
#ifdef SSUGRAPH_MISUSE
  lane.move_to(event);
#else
  lane.move_to(stream);
#endif
}
