package journal

const childPath = "STOWAGE_JOURNAL_TEST_PATH"

func runChild(string) int { return 1 }
