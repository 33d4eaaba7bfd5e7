#include "profiling/timeline/kernel_name.hpp"

#include <cxxabi.h>

#include <cstdlib>
#include <memory>

namespace ssugraph::timeline {

std::string kernel_name(const char* mangled) {
  if (mangled == nullptr) return "(unnamed)";
  int status = 0;
  const std::unique_ptr<char, decltype(&std::free)> source{
      abi::__cxa_demangle(mangled, nullptr, nullptr, &status), &std::free};
  std::string text = status == 0 ? source.get() : mangled;
  // Arguments begin behind the template arguments, at the first parenthesis of no bracket.
  int depth = 0;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '<') ++depth;
    if (text[i] == '>') --depth;
    const bool is_anonymous = text.compare(i, 11, "(anonymous ") == 0;
    if (text[i] == '(' && depth == 0 && !is_anonymous) {
      text.resize(i);
      break;
    }
  }
  return text;
}

}  // namespace ssugraph::timeline
