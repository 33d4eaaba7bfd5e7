// A tensor's dtype is named: an element's size does not stand for one.
// GNU: no matching function for call to 'ssugraph::tensor_view::tensor_view
// Clang: no matching constructor for initialization of 'ssugraph::tensor_view'
#include <ssugraph/tensor_view.hpp>

ssugraph::tensor_view view(const void* data) {
#ifdef SSUGRAPH_MISUSE
  return ssugraph::tensor_view{data, 2, {4, 8}};
#else
  return ssugraph::tensor_view{data, ssugraph::dtype::bfloat16, {4, 8}};
#endif
}
