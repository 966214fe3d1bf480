"""What the tests of deploy/ are made of: the shipped files, real servers that run on copies of them,
and the rehearsal."""
