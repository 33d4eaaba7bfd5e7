#pragma once

/** @file
 *  The mark of public declarations. */

#if __cplusplus < 202002L
#error "ssugraph needs C++20 or later: -std=c++20, CMAKE_CXX_STANDARD 20, CMAKE_CUDA_STANDARD 20"
#endif

/** On every public declaration that the library defines: libssugraph.so shows nothing else. */
#define SSUGRAPH_EXPORT [[gnu::visibility("default")]]
