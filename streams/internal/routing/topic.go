package routing

import "strings"

// matchTopic reports whether the binding key of a topic exchange matches a
// routing key. Both are words with dots between them: '*' stands for one word,
// '#' for any number of words, none included, and either only as a whole word.
// The empty key has no words; an empty word, between two dots or at an end, is a
// word.
func matchTopic(pattern, key string) bool {
	p, k := firstWord(pattern), firstWord(key)
	// Where to go on when words do not fit: behind the last '#' of the pattern,
	// which then stands for one more word of the key.
	behind, again := -1, 0
	for k <= len(key) {
		word, next := wordAt(key, k)
		if p <= len(pattern) {
			want, after := wordAt(pattern, p)
			if want == "#" {
				p, behind, again = after, after, k
				continue
			}
			if want == "*" || want == word {
				p, k = after, next
				continue
			}
		}
		if behind < 0 {
			return false
		}
		_, again = wordAt(key, again)
		p, k = behind, again
	}
	return onlyHashes(pattern, p)
}

// onlyHashes reports whether what is left of the pattern matches no words.
func onlyHashes(pattern string, p int) bool {
	for p <= len(pattern) {
		word, next := wordAt(pattern, p)
		if word != "#" {
			return false
		}
		p = next
	}
	return true
}

// firstWord returns where the first word of a key begins. A key has ended at
// any place beyond its length; the empty key, having no words, begins there.
func firstWord(key string) int {
	if key == "" {
		return 1
	}
	return 0
}

// wordAt returns the word that begins at i, and where the next one begins.
func wordAt(key string, i int) (word string, next int) {
	if n := strings.IndexByte(key[i:], '.'); n >= 0 {
		return key[i : i+n], i + n + 1
	}
	return key[i:], len(key) + 1
}

// splitWords returns the words of a key.
func splitWords(key string) []string {
	if key == "" {
		return nil
	}
	return strings.Split(key, ".")
}

// countHashes returns how many words of a binding key are '#'.
func countHashes(pattern string) int {
	n := 0
	for word := range strings.SplitSeq(pattern, ".") {
		if word == "#" {
			n++
		}
	}
	return n
}

// patternTree holds the binding keys of a topic exchange by their words. The
// time of a match grows with the length of the key to the power of the number
// of '#' in one binding key, so that should be small.
type patternTree struct {
	words map[string]*patternTree
	star  *patternTree
	hash  *patternTree
	end   bool
}

func (t *patternTree) add(words []string) {
	for _, word := range words {
		t = t.grow(word)
	}
	t.end = true
}

// grow returns the branch of a word, which it makes if there is none.
func (t *patternTree) grow(word string) *patternTree {
	switch word {
	case "*":
		return sprout(&t.star)
	case "#":
		return sprout(&t.hash)
	}
	if t.words == nil {
		t.words = map[string]*patternTree{}
	}
	branch := t.words[word]
	if branch == nil {
		branch = &patternTree{}
		t.words[word] = branch
	}
	return branch
}

func sprout(branch **patternTree) *patternTree {
	if *branch == nil {
		*branch = &patternTree{}
	}
	return *branch
}

// match reports whether a binding key in the tree matches the words of key from
// i on.
func (t *patternTree) match(key string, i int) bool {
	if t.hash != nil && t.hash.matchBehind(key, i) {
		return true
	}
	if i > len(key) {
		return t.end
	}
	word, next := wordAt(key, i)
	if t.star != nil && t.star.match(key, next) {
		return true
	}
	branch := t.words[word]
	return branch != nil && branch.match(key, next)
}

// matchBehind is match with any number of words left out first.
func (t *patternTree) matchBehind(key string, i int) bool {
	if t.end {
		return true
	}
	for !t.match(key, i) {
		if i > len(key) {
			return false
		}
		_, i = wordAt(key, i)
	}
	return true
}
