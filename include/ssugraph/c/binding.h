#ifndef SSUGRAPH_C_BINDING_H
#define SSUGRAPH_C_BINDING_H

/** @file
 *  Addresses for the tensors of a step; C++: binding.hpp. */

/** Another address for one bound tensor of a step, or of sequences that steps share; its layout
 *  stays. Never grows. */
typedef struct ssugraph_binding {
  const char* step;   /**< the name of the step or the sequences in the builder */
  const char* tensor; /**< the name of one that the step binds, as `state` */
  const void* data;   /**< of the first element */
} ssugraph_binding;

#endif
