#pragma once

/** @file
 *  The mark of public declarations, and what every one of them needs of the compiler. */

#if __cplusplus < 202002L
#error "ssugraph needs C++20 or later: -std=c++20, CMAKE_CXX_STANDARD 20, CMAKE_CUDA_STANDARD 20"
#endif

#include <version>  // libstdc++ says here which ABI is in use

#if defined(_GLIBCXX_USE_CXX11_ABI) && _GLIBCXX_USE_CXX11_ABI == 0
#error "ssugraph needs libstdc++'s C++11 ABI: no -D_GLIBCXX_USE_CXX11_ABI=0 (or ssugraph.h, in C)"
#endif

/** On every public declaration that the library defines: libssugraph.so shows nothing else. */
#define SSUGRAPH_EXPORT [[gnu::visibility("default")]]
