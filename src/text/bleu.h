/* What BLEU and chrF share. */
#ifndef CJ__BLEU_H
#define CJ__BLEU_H

#include "base/text.h"
#include "cajal/text.h"

/* The line as it is compared, in place of what is in `out`: in lower case where that is wanted, without white
 * space behind, and for BLEU cut into words with blanks between. What is no UTF-8 is U+FFFD there. */
CJ_MUST_CHECK cj_status cj__score_line(const cj_score_options *options, bool cut, const char *line,
                                       cj__text *out);

#endif
