/* What readers of others' vocabularies share with the kinds they are of. */
#ifndef CJ__FOREIGN_H
#define CJ__FOREIGN_H

#include "text/tokenizer.h"

/* [PAD], [UNK], [CLS], [SEP] and [MASK], where they are; [UNK] must be: wordpiece.c. */
CJ_MUST_CHECK cj_status cj__wordpiece_specials(cj_tokenizer *tokenizer);

#endif
