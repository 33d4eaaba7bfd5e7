// Strings and lists of libstdc++'s ABI before C++11 are not those of the library.
// GNU: needs libstdc\+\+'s C\+\+11 ABI
// Clang: needs libstdc\+\+'s C\+\+11 ABI
#ifdef SSUGRAPH_MISUSE
#define _GLIBCXX_USE_CXX11_ABI 0
#endif
#include <ssugraph/tensor_view.hpp>

ssugraph::tensor_view nothing() {
  return {};
}
