#ifndef SSUGRAPH_C_TENSORS_H
#define SSUGRAPH_C_TENSORS_H

/** @file
 *  Tensors, which are DLPack's: its header, or a word of where to find it. */

#if defined(__has_include)
#if !__has_include(<dlpack/dlpack.h>)
#error "ssugraph.h needs dlpack/dlpack.h: libdlpack-dev of Debian and Ubuntu, or -I with its folder"
#endif
#endif

#include <dlpack/dlpack.h>

#endif
