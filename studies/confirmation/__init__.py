"""The best settings of a search trained anew, with fresh seeds, and compared pair by pair."""
