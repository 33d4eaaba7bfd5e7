#ifndef SSUGRAPH_C_TOGGLE_H
#define SSUGRAPH_C_TOGGLE_H

/** @file
 *  Options that are on, off, or as the library would have them. */

/** For fields that are on, off, or as the library would have it. */
typedef enum ssugraph_toggle {
  SSUGRAPH_TOGGLE_DEFAULT = 0, /**< as the library would have it */
  SSUGRAPH_TOGGLE_ON = 1,      /**< on */
  SSUGRAPH_TOGGLE_OFF = 2      /**< off */
} ssugraph_toggle;

#endif
