// A dispatch holds a random state: two copies would draw the same seeds.
// GNU: use of deleted function 'ssugraph::ssu_dispatch::ssu_dispatch\(const
// Clang: call to deleted constructor of 'ssugraph::ssu_dispatch'
#include <ssugraph/dispatch.hpp>

void share(ssugraph::ssu_dispatch& dispatch) {
#ifdef SSUGRAPH_MISUSE
  [[maybe_unused]] ssugraph::ssu_dispatch same = dispatch;
#else
  [[maybe_unused]] ssugraph::ssu_dispatch& same = dispatch;
#endif
}
