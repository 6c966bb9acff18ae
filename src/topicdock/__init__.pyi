from topicdock.estimators import ETM as ETM
from topicdock.estimators import LDA as LDA
from topicdock.estimators import NTM as NTM

__version__: str
