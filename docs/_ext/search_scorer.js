/* The order of search results: pages that say what to do come first, and what few people look for comes last. */
var Scorer = {
  score: ([page, title, anchor, description, score]) => {
    if (/^(how-to|tutorial|coming-from)\//.test(page)) return score + 8;
    if (/^reference\/(errors\/|contract-kit)/.test(page)) return score - 8;
    return score;
  },

  // The values of Sphinx: a scorer replaces all of them.
  objNameMatch: 11,
  objPartialMatch: 6,
  objPrio: { 0: 15, 1: 5, 2: -5 },
  objPrioDefault: 0,
  title: 15,
  partialTitle: 7,
  term: 5,
  partialTerm: 2,
};
