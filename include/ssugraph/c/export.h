#ifndef SSUGRAPH_C_EXPORT_H
#define SSUGRAPH_C_EXPORT_H

/** @file
 *  The mark of functions. */

/** On every function that the library defines. */
#if defined(__GNUC__)
#define SSUGRAPH_C_API __attribute__((visibility("default")))
#else
#define SSUGRAPH_C_API
#endif

#endif
