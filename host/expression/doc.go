// Package expression compiles the expression by which a custom policy chooses
// a place for an object, such as
//
//	size > 1048576 ? backend.cloud : backend.disk
//
// # Language
//
// The syntax is that of HCL. The result is a reference, backend.NAME or
// policy.NAME, or a choice between results: CONDITION ? RESULT : RESULT.
// References appear nowhere else. Conditions are made of
//
//	key            the key of the object
//	size           its size in bytes
//	content_type   its content type, "" if none was given
//	metadata       its metadata: metadata["NAME"] or metadata.NAME, "" if there
//	               is no such entry
//	op             the operation that writes it, such as "put" or "copy"
//
// of strings, numbers, true and false, lists of strings, the operators
// ! && || == != < <= > >= + - * / %, the conditional, templates "${key}!",
// and the functions
//
//	startswith(string, prefix)          whether it begins so
//	endswith(string, suffix)            whether it ends so
//	strcontains(string, part)           whether part is in it
//	contains(list, string)              whether the list has it
//	matches(string, pattern)            whether the regular expression (RE2, a
//	                                    string in quotes) matches somewhere in it
//	lower(string), upper(string)
//	length(string or list)              bytes, or elements
//	substr(string, offset, length)      bytes; an offset below 0 counts from the
//	                                    end, a length below 0 means the rest
//	split(separator, string)            a list, of which split("/", key)[0] is
//	                                    the first element
//	min(number, …), max(number, …)
//	hash(string)                        CRC-32C, from 0 to 4294967295
//
// Strings are bytes, as keys are: nothing is normalised, and lower and upper
// alone know letters. Numbers are float64, exact for sizes up to 2^53. && and ||
// and the conditional evaluate no more than they need. An index beyond a list
// gives "", and so does a missing entry of the metadata, so an expression has a
// value for every object; only a division by zero has none.
//
// Nothing is converted: a number where a string belongs is an error, and so is
// a comparison that could never hold. Whatever is not a function of the object,
// such as the time, chance, health or the environment, may not appear: a read
// could not find what a write placed. All of it is found when the expression is
// compiled, with line and column.
//
// # Why it is not evaluated by HCL
//
// HCL parses. Its evaluator converts between types as values happen to allow,
// normalises strings, and finds errors when an object is being written. The
// language here is small enough to be checked before, and needs some tens of
// nanoseconds.
package expression
